// `request.principal` is null for them, as it is for requests that no guard has decided.
const anonymous = new WeakSet<object>()

/** Records that the guard allowed a request of an anonymous caller. */
export function markAnonymous(raw: object): void {
  anonymous.add(raw)
}

/** Returns whether the guard allowed a request of an anonymous caller. */
export function isAnonymous(raw: object): boolean {
  return anonymous.has(raw)
}

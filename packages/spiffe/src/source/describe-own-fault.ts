/** Returns the message about our own certificate for a refusal, with what to do about it if its detail does not say so. */
export function describeOwnFault({ reason, detail }: { readonly reason: string; readonly detail: string }): string {
  return `our own certificate: ${reason}: ${detail}${remedies.get(reason) ?? ''}`
}

const remedies: ReadonlyMap<string, string> = new Map([
  ['expired', '; renew it'],
  ['not_yet_valid', '; check the clock of this machine, or wait until then'],
])

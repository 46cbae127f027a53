/** Freezes a value of plain data and everything in it. */
export function freezeDeeply(value: unknown): void {
  if (typeof value !== 'object' || value === null) return
  Object.freeze(value)
  for (const each of Object.values(value)) freezeDeeply(each)
}

import type { BigIntStats } from 'node:fs'

/** Equal as long as nobody replaced, wrote, or changed the mode of a file, as far as its file system knows. */
export function describeIdentity({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`
}

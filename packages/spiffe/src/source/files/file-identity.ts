import type { BigIntStats } from 'node:fs'

/**
 * Returns a text that changes if a file is replaced or written, or if its mode changes. Relies on what the file system
 * reports.
 */
export function describeIdentity({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`
}

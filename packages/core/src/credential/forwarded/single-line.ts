import { type HeaderLines, type MalformedClaim, malformed } from './forwarded-claim.ts'

/**
 * Returns the value of a header that may have only one field line, or an empty string if there is none. Proxies send an
 * empty value if the variable behind a header is empty, so both mean that there is no certificate. If there are several
 * lines, any of them could be the caller's own.
 */
export function readSingleLine(lines: HeaderLines, name: string): string | MalformedClaim {
  const [value = '', ...others] = lines(name)
  if (others.length > 0) return malformed(`${name}: found ${others.length + 1} field lines, expected one`)
  return value.length > maxValueLength ? refuseLength(name) : value
}

/** Returns the claim for a header that is too long. */
export function refuseLength(name: string): MalformedClaim {
  return malformed(`${name}: found more than ${maxValueLength} characters, expected fewer`)
}

/**
 * The maximum length of a header. It has room for the largest chain that a peer may present, 64 KiB of DER, as PEM with
 * escapes. Node.js accepts less by default: 16 KiB for all headers together (`maxHeaderSize`).
 */
export const maxValueLength: number = 128 * 1024

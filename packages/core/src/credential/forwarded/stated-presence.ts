import { type ForwardedReader, malformed } from './forwarded-claim.ts'
import { readSingleLine } from './single-line.ts'

/**
 * Checks a header that states whether there is a certificate against the claim of a reader. A proxy that omits a large
 * certificate still states that there is one, and such a caller must not become one without a certificate. If the header
 * is missing, the reader decides alone.
 */
export function withStatedPresence(
  reader: ForwardedReader,
  header: string,
  { yes, no }: { readonly yes: string; readonly no: string },
): ForwardedReader {
  return {
    headers: [...reader.headers, header],
    read(lines) {
      const stated = readSingleLine(lines, header)
      if (typeof stated !== 'string') return stated
      const claim = reader.read(lines)
      if (stated === '' || stated === (claim.kind === 'none' ? no : yes)) return claim
      return malformed(`${header}: found a value that contradicts ${reader.headers[0]}`)
    },
  }
}

import { createHash } from 'node:crypto'
import { SpiffeId } from '@countersign/spiffe'
import { claimChain, decodeEscapedPem } from './decode-certificates.ts'
import {
  type CertificateClaim,
  type ForwardedClaim,
  type ForwardedReader,
  type MalformedClaim,
  malformed,
  noClaim,
} from './forwarded-claim.ts'
import { readSingleLine } from './single-line.ts'
import { splitXfcc, type XfccElement } from './xfcc-elements.ts'

/**
 * Reads Envoy's `X-Forwarded-Client-Cert`; `splitXfcc` describes its grammar. Only the last element counts, because it
 * is the one that the peer itself wrote. The claim is a certificate if the element has `Cert` or `Chain`, and otherwise
 * a name.
 *
 * @see https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers#x-forwarded-client-cert
 */
export function createXfccReader(): ForwardedReader {
  return createReader(claimLast)
}

/**
 * Reads the `X-Forwarded-Client-Cert` of Azure Container Apps, which contains no name: `Hash=…;Cert="…";Chain="…"`.
 *
 * @see https://learn.microsoft.com/azure/container-apps/client-certificate-authorization
 */
export function createAzureContainerAppsReader(): ForwardedReader {
  return createReader((text) => {
    const claim = claimLast(text)
    return claim.kind === 'name' ? malformed(`${header}: found no Cert`) : claim
  })
}

const header = 'x-forwarded-client-cert'

function createReader(claim: (text: string) => ForwardedClaim): ForwardedReader {
  return {
    headers: [header],
    read(lines) {
      const value = readSingleLine(lines, header)
      if (typeof value !== 'string') return value
      return value === '' ? noClaim : claim(value)
    },
  }
}

function claimLast(text: string): ForwardedClaim {
  const elements = splitXfcc(header, text)
  if ('kind' in elements) return elements
  const last = elements.at(-1)
  if (last === undefined || isAmbiguous(text, elements, last)) {
    return malformed(`${header}: found ${elements.length} elements, the last of which may not be the proxy's own`)
  }
  const by = last.values.get('by')
  const spiffeId = readSpiffeId(last.values.get('uri'))
  if (spiffeId === undefined) return malformed(`${header}: found a URI that is not a SPIFFE ID`)
  const details = { ...(by !== undefined && { by }), ...(spiffeId !== '' && { spiffeId }) }
  if (last.values.has('cert') || last.values.has('chain')) {
    const claim = readCertificates(last)
    return claim.kind === 'malformed' ? claim : { ...claim, ...details }
  }
  return spiffeId === '' ? malformed(`${header}: found neither Cert nor URI`) : { kind: 'name', ...details, spiffeId }
}

/**
 * Returns true if the caller may have written the last of several elements. Envoy does not quote `By`, `URI` and `DNS`,
 * so a certificate with a comma in such a name adds an element behind the proxy's own. To be believed, the added element
 * must state the proxy's `By`. The proxy's own element, which begins with that `By` and a `Hash`, then comes before it.
 * That one may be hidden in a value, because the caller can also send an element with an open quote, so the search covers
 * the whole text before. A caller that forges such an element itself is refused.
 *
 * @see https://github.com/envoyproxy/envoy/issues/32945
 */
function isAmbiguous(text: string, elements: readonly XfccElement[], { values, start }: XfccElement): boolean {
  if (elements.length === 1) return false
  if (elements.some((element) => (element.values.get('by') ?? '') === '')) return true
  return text.slice(0, start).includes(`By=${values.get('by')};Hash=`)
}

/** Returns an empty string for none: Envoy writes an empty URI for a certificate without one. */
function readSpiffeId(uri: string = ''): string | undefined {
  if (uri === '') return ''
  try {
    return SpiffeId.parse(uri).toString()
  } catch {
    return undefined
  }
}

function readCertificates({ values }: XfccElement): CertificateClaim | MalformedClaim {
  const cert = decodeEscapedPem(header, values.get('cert') ?? '')
  if ('kind' in cert) return cert
  const chain = decodeEscapedPem(header, values.get('chain') ?? '')
  if ('kind' in chain) return chain
  if (cert.length > 1) return malformed(`${header}: found ${cert.length} certificates in Cert, expected one`)
  // Chain includes the leaf, as its first certificate.
  const leaf = cert[0] ?? chain[0]
  if (leaf === undefined) return malformed(`${header}: found an empty Cert or Chain`)
  if (!isHashOf(leaf, values.get('hash'))) return malformed(`${header}: found a Hash of another certificate`)
  return claimChain(
    header,
    [leaf],
    chain.filter((der) => !der.equals(leaf)),
  )
}

function isHashOf(leaf: Buffer, hash: string | undefined): boolean {
  return hash === undefined || createHash('sha256').update(leaf).digest('hex') === hash.toLowerCase()
}

import type { Certificate } from '../certificate/certificate.ts'
import { describeCertificate } from '../certificate/describe.ts'
import type { RevocationLists } from '../trust/revocation-lists.ts'
import { Refused } from './refusal.ts'

/** Why the revocation lists reject a path. */
export type RevocationRefusal = 'revoked' | 'revocation_unknown'

/**
 * Checks every certificate of a verified path, except the authority, against the current revocation lists of its issuer
 * (RFC 5280 §6.3). An authority is revoked by removing it from the bundle. If several lists of one issuer are current,
 * none of them may contain the certificate. Neither may a stale list that is newer than all of them.
 *
 * Returns the time in epoch milliseconds when the first required list becomes stale or another list of an issuer
 * becomes effective. Returns Infinity if no list is required.
 *
 * @param path leaf first, authority last
 * @see https://www.rfc-editor.org/rfc/rfc5280#section-6.3
 */
export function checkRevocation(
  path: readonly Certificate[],
  lists: RevocationLists,
  { mayLack, now }: { readonly mayLack: boolean; readonly now: number },
): number {
  if (lists.fingerprint === '') return Infinity
  let staleAt = Infinity
  let child: Certificate | undefined
  for (const issuer of path) {
    if (child !== undefined) staleAt = Math.min(staleAt, checkCertificate(child, issuer, { lists, mayLack, now }))
    child = issuer
  }
  return staleAt
}

interface ListsAtTime {
  readonly lists: RevocationLists
  readonly mayLack: boolean
  readonly now: number
}

function checkCertificate(certificate: Certificate, issuer: Certificate, { lists, mayLack, now }: ListsAtTime): number {
  const { crls: issued, isIncomplete, isBarred } = lists.findIssued(issuer)
  // A list that was not read, or that the issuer must not sign, may still be meant to revoke the certificate.
  const isUncertain = isIncomplete || isBarred
  if (issued.length === 0 && !isUncertain && !lists.areRequired) return Infinity
  const current = issued.filter(({ thisUpdate, nextUpdate }) => thisUpdate <= now && now < nextUpdate)
  // A stale list still revokes: an older list must not make its revocations invalid.
  const newest = Math.max(...current.map(({ thisUpdate }) => thisUpdate))
  const newer = issued.filter(({ thisUpdate }) => newest < thisUpdate && thisUpdate <= now)
  if ([...current, ...newer].some(({ revoked }) => revoked.has(certificate.serialNumber))) {
    const found = `${describeCertificate(certificate)} with serial number ${certificate.serialNumber}`
    throw new Refused<RevocationRefusal>(
      'revoked',
      `${found} is in the revocation list of ${describeCertificate(issuer)}`,
    )
  }
  if (current.length > 0 && !isUncertain) {
    const coming = issued.filter(({ thisUpdate }) => now < thisUpdate).map(({ thisUpdate }) => thisUpdate)
    return Math.min(Math.max(...current.map(({ nextUpdate }) => nextUpdate)), ...coming)
  }
  if (mayLack) return Infinity
  throw new Refused<RevocationRefusal>('revocation_unknown', describeLack(issuer, lists))
}

function describeLack(issuer: Certificate, lists: RevocationLists): string {
  const expected = `expected a current revocation list of ${describeCertificate(issuer)}`
  const { crls: issued, isIncomplete, isBarred } = lists.findIssued(issuer)
  if (isIncomplete)
    return `${expected}, found one that was not read, because it is malformed or there are too many lists`
  if (issued.length > 0) {
    const end = Math.max(...issued.map(({ nextUpdate }) => nextUpdate))
    return `${expected}, found one that was valid until ${new Date(end).toISOString()}`
  }
  return isBarred ? `${expected}, found one but no cRLSign in the key usage of its issuer` : `${expected}, found none`
}

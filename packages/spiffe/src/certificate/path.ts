import type { Certificate } from './certificate.ts'
import { describeCertificate, quoteText } from './describe.ts'
import { isSameName } from './distinguished-name.ts'
import { describeKeyMismatch, isNamedIssuer } from './issuer-match.ts'
import { checkIssuer, checkLeaf, checkPresented, checkSignature, checkWhole, endOfValidity } from './path-checks.ts'
import type { PathRequest, Refusal } from './path-request.ts'

/** The most signature checks for one path, which bounds the search among authorities that cross-sign each other. */
export const maxSignatureChecks = 32

/** The proof, or the most telling reason why there is none. */
export type PathVerdict =
  | {
      readonly ok: true
      /** Leaf first, authority last. */
      readonly path: readonly Certificate[]
      /** Epoch milliseconds, exclusive: the first moment at which a certificate of the path is no longer valid. */
      readonly expiresAt: number
    }
  | ({ readonly ok: false } & Refusal)

/**
 * Finds and verifies a certification path by RFC 5280 §6.1, depth first over every candidate that a certificate names as
 * its issuer, in whatever order they were presented. What the leaf must be besides (an SVID) is not looked at.
 *
 * The authority is held to the same checks as every issuer, dates included, but its own signature is not checked:
 * that it is in the bundle is all its proof. Certificate policies are processed with the initial settings of RFC 5280 §6.1.1:
 * any policy will do, and none is needed unless a certificate of the path requires one.
 */
export function verifyPath(request: PathRequest): PathVerdict {
  const { leaf } = request
  const refusal = checkPresented(request) ?? checkLeaf(request)
  if (refusal !== undefined) return { ok: false, ...refusal }
  const search = createSearch(request)
  const path = climb(leaf, [leaf], search)
  if (path === undefined) return { ok: false, ...search.furthest.refusal }
  return { ok: true, path, expiresAt: Math.min(...path.map(endOfValidity)) }
}

interface Search {
  readonly request: PathRequest
  /** What can sign: the authorities, then what was presented. */
  readonly candidates: readonly Certificate[]
  /** By SHA-256: one certificate can have been decoded twice. */
  readonly authorities: ReadonlySet<string>
  signatureChecks: number
  furthest: { readonly progress: number; readonly refusal: Refusal }
}

/** Copies of one certificate would only eat up signature checks. */
function createSearch(request: PathRequest): Search {
  const certificates = [...request.authorities, ...request.intermediates]
  const candidates = new Map(certificates.map((certificate) => [certificate.sha256, certificate]))
  const authorities = new Set(request.authorities.map(({ sha256 }) => sha256))
  const refusal = { reason: 'unknown_authority', detail: '' } as const
  return {
    request,
    authorities,
    candidates: [...candidates.values()],
    signatureChecks: 0,
    furthest: { progress: 0, refusal },
  }
}

/** Extends a path by each possible issuer of its last certificate in turn, until one of them is an authority. */
function climb(child: Certificate, path: readonly Certificate[], search: Search): readonly Certificate[] | undefined {
  const namesakes = listNamesakes(child, path, search)
  const issuers = namesakes.filter((namesake) => isNamedIssuer(namesake, child))
  const [namesake] = namesakes
  if (namesake === undefined) {
    note(search, path.length * 2, { reason: 'unknown_authority', detail: describeMissing(child, search.request) })
  } else if (issuers.length === 0) note(search, path.length * 2 + 1, refuseNamesake(child, namesake, search))
  for (const issuer of issuers) {
    if (search.signatureChecks === maxSignatureChecks) {
      const detail = `no path found within ${maxSignatureChecks} signature checks`
      note(search, Infinity, { reason: 'too_many_signature_checks', detail })
      return undefined
    }
    search.signatureChecks += 1
    const unproved = checkSignature(child, issuer)
    if (unproved !== undefined) {
      note(search, path.length * 2 + 1, unproved)
      continue
    }
    const longer = [...path, issuer]
    const isAuthority = search.authorities.has(issuer.sha256)
    const refusal = checkIssuer(issuer, path, search.request) ?? (isAuthority ? checkWhole(longer) : undefined)
    if (refusal !== undefined) {
      note(search, issuerProved + longer.length, refusal)
      continue
    }
    const found = isAuthority ? longer : climb(issuer, longer, search)
    if (found !== undefined) return found
  }
  return undefined
}

/** An intermediate that was not sent and an authority that is not trusted look the same from here: both are named. */
function describeMissing(child: Certificate, { authorities, intermediates }: PathRequest): string {
  const what = describeCertificate(child)
  const trusted = `the authorities that are trusted here (${authorities.length})`
  if (child.selfIssued) return `${what} is self-signed and not one of ${trusted}`
  const sent =
    intermediates.length === 0
      ? `not one of ${trusted}, and no intermediate was sent`
      : `neither one of ${trusted} nor an intermediate that was sent or is known (${intermediates.length})`
  const issuer = quoteText(child.issuer.text)
  return `the issuer of ${what} is ${issuer}, ${sent}: the chain is incomplete, or its authority is not trusted`
}

/** The candidates with the issuer's name, most likely ones first; one entity is never twice in a path. */
function listNamesakes(child: Certificate, path: readonly Certificate[], search: Search): readonly Certificate[] {
  const isUsed = (candidate: Certificate): boolean =>
    path.some((used) => isSameName(used.subject, candidate.subject) && used.keyInfo.der.equals(candidate.keyInfo.der))
  const likelihood = (candidate: Certificate): number =>
    (candidate.subjectKeyId === child.authorityKeyId ? 2 : 0) + (search.authorities.has(candidate.sha256) ? 1 : 0)
  return (
    search.candidates
      .filter((candidate) => isSameName(candidate.subject, child.issuer) && !isUsed(candidate))
      // Of an authority that was renewed with its key, the path by the old certificate would end first.
      .toSorted((one, other) => likelihood(other) - likelihood(one) || other.notAfter - one.notAfter)
  )
}

/** Says whether the key identifier alone stands between a child and what has the name of its issuer. */
function refuseNamesake(child: Certificate, namesake: Certificate, search: Search): Refusal {
  const mismatch = { reason: 'key_identifier_mismatch', detail: describeKeyMismatch(namesake, child) ?? '' } as const
  if (search.signatureChecks === maxSignatureChecks) return mismatch
  search.signatureChecks += 1
  return checkSignature(child, namesake) ?? mismatch
}

/** A refusal of an issuer that did sign tells more than any of one that did not, or that is not known at all. */
const issuerProved = 1000

function note(search: Search, progress: number, refusal: Refusal): void {
  if (progress > search.furthest.progress) search.furthest = { progress, refusal }
}

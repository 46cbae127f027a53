import type { Certificate } from './certificate.ts'
import { describeCertificate, quoteText } from './describe.ts'
import { isSameName } from './distinguished-name.ts'
import { describeKeyMismatch } from './issuer-match.ts'
import { checkIssuer, checkLeaf, checkPresented, checkWhole, endOfValidity } from './path-checks.ts'
import { PathEdges } from './path-edges.ts'
import type { PathRequest, Refusal } from './path-request.ts'

/**
 * The maximum number of steps of the search. Limits the cost if an authority has signed many certificates that
 * cross-certify each other.
 */
const maxSteps = 500

/** The path, or the most informative reason why there is none. */
export type PathVerdict =
  | {
      readonly ok: true
      /** Leaf first, authority last. */
      readonly path: readonly Certificate[]
      /** Epoch milliseconds: when the first certificate of the path stops being valid. */
      readonly expiresAt: number
    }
  | ({ readonly ok: false } & Refusal)

/**
 * Finds and verifies a certification path by RFC 5280 §6.1. Searches depth first over all candidates that a certificate
 * names as its issuer, in any order of presentation. Does not check further requirements on the leaf, such as those of
 * an SVID.
 *
 * The search goes up from the leaf by name. Signatures are then verified down from the authority (§6.1.3). So a
 * signature is only verified with a key that an authority has certified. A certificate from an attacker costs at most
 * one check, and none unless it names an authority.
 *
 * The authority must pass the same checks as every issuer, including dates, but its own signature is not checked: it is
 * trusted because it is in the bundle. Certificate policies use the initial settings of RFC 5280 §6.1.1: any policy is
 * accepted, and none is required unless a certificate of the path requires one.
 */
export function verifyPath(request: PathRequest): PathVerdict {
  const { leaf } = request
  const refusal = checkPresented(request) ?? checkLeaf(request)
  if (refusal !== undefined) return { ok: false, ...refusal }
  const search = {
    request,
    edges: new PathEdges(request),
    hopeless: new Set<string>(),
    steps: 0,
    furthest: { progress: 0, refusal: { reason: 'unknown_authority', detail: '' } },
  } satisfies Search
  const path = climb(leaf, [leaf], search)
  if (path === undefined) return { ok: false, ...search.furthest.refusal }
  return { ok: true, path, expiresAt: Math.min(...path.map(endOfValidity)) }
}

interface Search {
  readonly request: PathRequest
  readonly edges: PathEdges
  /** Certificates that lead to no authority, by SHA-256. They are visited once, to find out what is missing. */
  readonly hopeless: Set<string>
  steps: number
  furthest: { readonly progress: number; readonly refusal: Refusal }
}

/**
 * Extends a path by each possible issuer of its last certificate in turn, until it reaches an authority.
 *
 * @param isHopeless whether the path is only followed to find out what is missing
 */
function climb(
  child: Certificate,
  path: readonly Certificate[],
  search: Search,
  isHopeless = false,
): readonly Certificate[] | undefined {
  const { edges } = search
  search.steps += 1
  const namesake = edges.listNamesakes(child).find((candidate) => !isUsed(candidate, path))
  const issuers = edges.listIssuers(child).filter((candidate) => !isUsed(candidate, path))
  if (namesake === undefined) {
    note(search, path.length * 2, { reason: 'unknown_authority', detail: describeMissing(child, search.request) })
  } else if (issuers.length === 0) note(search, path.length * 2 + 1, refuseNamesake(child, namesake, search))
  for (const issuer of issuers) {
    const longer = [...path, issuer]
    if (!isHopeless && edges.isOpen(issuer, child)) {
      const found = edges.isAuthority(issuer) ? descend(longer, search) : climb(issuer, longer, search)
      if (found !== undefined) return found
    } else if (edges.isAuthority(issuer)) {
      const refusal = edges.refusalOf(child, issuer)
      if (refusal !== undefined) note(search, path.length * 2 + 1, refusal)
    } else if (!search.hopeless.has(issuer.sha256)) {
      search.hopeless.add(issuer.sha256)
      climb(issuer, longer, search, true)
    }
    if (edges.isExhausted || search.steps >= maxSteps) return giveUp(search)
  }
  return undefined
}

/** Verifies a path that ends at an authority, from the authority down. Returns it if everything is valid. */
function descend(path: readonly Certificate[], search: Search): readonly Certificate[] | undefined {
  const { edges, request } = search
  for (const [below, issuer] of [...path.entries()].slice(1).toReversed()) {
    const child = path[below - 1]
    if (child === undefined) return undefined
    const unproved = edges.verify(child, issuer)
    const refusal = checkIssuer(issuer, path.slice(0, below), request)
    // The path length depends on the certificates below. Any other failure applies to every path, so the issuer is
    // excluded.
    const isUnfit = refusal !== undefined && refusal.reason !== 'path_length_exceeded'
    if (isUnfit && (unproved === undefined || !edges.isAuthority(issuer))) edges.exclude(issuer)
    if (unproved !== undefined) {
      note(search, below * 2 + 1 + (edges.isAuthority(issuer) ? 0 : issuerTrusted), unproved)
      return undefined
    }
    if (refusal === undefined) continue
    note(search, issuerProved + below + 1, refusal)
    return undefined
  }
  const refusal = checkWhole(path)
  if (refusal === undefined) return path
  note(search, issuerProved + path.length, refusal)
  return undefined
}

/** Returns true if the path already contains the same subject with the same key. */
function isUsed(candidate: Certificate, path: readonly Certificate[]): boolean {
  return path.some(
    (used) => isSameName(used.subject, candidate.subject) && used.keyInfo.der.equals(candidate.keyInfo.der),
  )
}

/**
 * Describes that the issuer of a certificate is not known. A missing intermediate and an untrusted authority cannot be
 * distinguished here, so the message names both.
 */
function describeMissing(child: Certificate, { authorities, intermediates }: PathRequest): string {
  const what = describeCertificate(child)
  const trusted = `the trusted authorities (${authorities.length})`
  if (child.selfIssued) return `${what} is self-signed and not one of ${trusted}`
  const sent =
    intermediates.length === 0
      ? `not one of ${trusted}, and no intermediate was sent`
      : `neither one of ${trusted} nor one of the intermediates that were sent or are known (${intermediates.length})`
  const issuer = quoteText(child.issuer.text)
  return `the issuer of ${what} is ${issuer}, ${sent}: the chain is incomplete, or its authority is not trusted`
}

/** Finds out whether only the key identifier does not match, or the signature is also invalid. */
function refuseNamesake(child: Certificate, namesake: Certificate, { edges }: Search): Refusal {
  const mismatch = { reason: 'key_identifier_mismatch', detail: describeKeyMismatch(namesake, child) ?? '' } as const
  if (!edges.isAuthority(namesake) || !edges.mayVerify) return mismatch
  return edges.verify(child, namesake) ?? mismatch
}

function giveUp(search: Search): undefined {
  const detail = `no path found within ${search.edges.maxChecks} signature checks and ${maxSteps} steps`
  note(search, Infinity, { reason: 'too_many_signature_checks', detail })
}

/**
 * The rank of a refusal by an intermediate that an authority has certified: more informative than one by a certificate
 * that is only named.
 */
const issuerTrusted = 500

/**
 * The rank of a refusal of an issuer that did sign: more informative than one of an issuer that did not, or of an
 * unknown issuer.
 */
const issuerProved = 1000

function note(search: Search, progress: number, refusal: Refusal): void {
  if (progress > search.furthest.progress) search.furthest = { progress, refusal }
}

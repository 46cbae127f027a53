import type { Certificate } from './certificate.ts'
import { describeCertificate, quoteText } from './describe.ts'
import { isSameName } from './distinguished-name.ts'
import { describeKeyMismatch } from './issuer-match.ts'
import { checkIssuer, checkLeaf, checkPresented, checkWhole, endOfValidity } from './path-checks.ts'
import { PathEdges } from './path-edges.ts'
import type { PathRequest, Refusal } from './path-request.ts'

/** The most certificates from which a path is continued, which bounds the search in a mesh that an authority signed. */
const maxSteps = 500

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
 * A path is looked for by names from the leaf up and verified by signatures from the authority down (§6.1.3). So no
 * signature is verified with a key that no authority has vouched for, and a stranger's certificates cost one check each at
 * most, and none unless they name an authority.
 *
 * The authority is held to the same checks as every issuer, dates included, but its own signature is not checked:
 * that it is in the bundle is all its proof. Certificate policies are processed with the initial settings of RFC 5280 §6.1.1:
 * any policy will do, and none is needed unless a certificate of the path requires one.
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
  /** Certificates that lead to no authority, by SHA-256: they are visited once, to find out what is missing. */
  readonly hopeless: Set<string>
  steps: number
  furthest: { readonly progress: number; readonly refusal: Refusal }
}

/**
 * Extends a path by each possible issuer of its last certificate in turn, until one of them is an authority.
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

/** Verifies a path that ends in an authority from there down; returns it when all of it is proved. */
function descend(path: readonly Certificate[], search: Search): readonly Certificate[] | undefined {
  const { edges, request } = search
  for (const [below, issuer] of [...path.entries()].slice(1).toReversed()) {
    const child = path[below - 1]
    if (child === undefined) return undefined
    const unproved = edges.verify(child, issuer)
    const refusal = checkIssuer(issuer, path.slice(0, below), request)
    // The length depends on what is below; all else is wrong on every path, and that key is not used again.
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

/** One entity is never twice in a path. */
function isUsed(candidate: Certificate, path: readonly Certificate[]): boolean {
  return path.some(
    (used) => isSameName(used.subject, candidate.subject) && used.keyInfo.der.equals(candidate.keyInfo.der),
  )
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

/** Says whether the key identifier alone stands between a child and what has the name of its issuer. */
function refuseNamesake(child: Certificate, namesake: Certificate, { edges }: Search): Refusal {
  const mismatch = { reason: 'key_identifier_mismatch', detail: describeKeyMismatch(namesake, child) ?? '' } as const
  if (!edges.isAuthority(namesake) || !edges.mayVerify) return mismatch
  return edges.verify(child, namesake) ?? mismatch
}

function giveUp(search: Search): undefined {
  const detail = `no path found within ${search.edges.maxChecks} signature checks and ${maxSteps} steps`
  note(search, Infinity, { reason: 'too_many_signature_checks', detail })
}

/** A refusal by an intermediate that an authority vouches for tells more than one by a certificate that is only named. */
const issuerTrusted = 500

/** A refusal of an issuer that did sign tells more than any of one that did not, or that is not known at all. */
const issuerProved = 1000

function note(search: Search, progress: number, refusal: Refusal): void {
  if (progress > search.furthest.progress) search.furthest = { progress, refusal }
}

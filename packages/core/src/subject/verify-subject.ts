import { type Certificate, clientAuth, type serverAuth } from '../certificate/certificate.ts'
import { describeCertificate, quoteText } from '../certificate/describe.ts'
import { verifyPath } from '../certificate/path.ts'
import { checkUsages } from '../svid/check-usages.ts'
import { completeChain, decodeChain } from '../svid/presented-chain.ts'
import { type ChainRefusal, Refused } from '../svid/refusal.ts'
import type { CaBundle } from '../trust/ca-bundle.ts'
import type { SubjectIdentity } from './subject-identity.ts'
import { mintX509Subject, type X509Subject } from './x509-subject.ts'

/** A chain that claims to be of a CA without SPIFFE, and what it is to be held against. */
export interface SubjectClaim {
  /** DER, leaf first; what follows may stand in any order. */
  readonly chain: readonly Uint8Array[]
  readonly ca: CaBundle
  /** Certificates that may complete the chain: they are verified like presented ones. */
  readonly additional?: readonly Certificate[]
  /** Epoch milliseconds. */
  readonly now: number
}

/** Why a chain names nobody, closed; for operators, never for the peer. */
type SubjectRefusal =
  | ChainRefusal
  | 'spiffe_id_present'
  | 'no_common_name'
  | 'several_common_names'
  | 'no_dns_name'
  | 'several_dns_names'
  | 'name_unknown'

/** The proof, or why there is none. */
export type SubjectVerdict =
  | { readonly ok: true; readonly subject: X509Subject }
  | { readonly ok: false; readonly reason: SubjectRefusal; readonly detail: string; readonly name?: string }

/**
 * Verifies the chain of a peer of a CA without SPIFFE: one name from a closed list, a leaf that may do what an SVID may
 * (the key usage may be absent, tutorial CAs write none), and the path by RFC 5280 §6. Never throws, whatever the bytes
 * of the chain.
 */
export function verifySubject(claim: SubjectClaim, identity: SubjectIdentity): SubjectVerdict {
  let name: string | undefined
  try {
    const presented = decodeChain(claim.chain)
    const [leaf] = presented
    refuseSpiffeId(leaf)
    name = identity.kind === 'commonName' ? readCommonName(leaf) : readDnsName(leaf)
    if (identity.find(name) === undefined) {
      refuse('name_unknown', `${quoteText(name)} is none of ${identity.names.slice(0, 20).join(', ')}`)
    }
    checkUsages(leaf, true)
    const proved = verifyCaPath(presented, claim, clientAuth)
    return { ok: true, subject: mintX509Subject({ name, leaf, bundle: claim.ca, ...proved }) }
  } catch (error) {
    if (!isRefused(error)) throw error
    const { reason, detail } = error
    return { ok: false, reason, detail, ...(name !== undefined && { name }) }
  }
}

/** What of a path matters once it is verified. */
export interface CaPath {
  readonly path: readonly Certificate[]
  readonly expiresAt: number
}

/**
 * Verifies our own chain, whose names matter to callers only: leaf and path for the server's side.
 *
 * @throws {Refused}
 */
export function verifyOwnChain(claim: SubjectClaim, usage: typeof serverAuth): CaPath {
  const presented = decodeChain(claim.chain)
  refuseSpiffeId(presented[0])
  return verifyCaPath(presented, claim, usage)
}

/** The same proof under another bundle, when the authority at the end of its path is in that bundle as well. */
export function carryOverSubject(subject: X509Subject, bundle: CaBundle): X509Subject | undefined {
  const { name, leaf, path, expiresAt } = subject
  const authority = path.at(-1)
  if (!bundle.authorities.some(({ sha256 }) => sha256 === authority?.sha256)) return undefined
  return mintX509Subject({ name, leaf, path, bundle, expiresAt })
}

/** Whether a refusal ended a checklist of this file. */
export function isRefused(error: unknown): error is Refused<SubjectRefusal> {
  return error instanceof Refused
}

function verifyCaPath(
  presented: readonly [Certificate, ...Certificate[]],
  { ca, additional = [], now }: SubjectClaim,
  usage: typeof clientAuth | typeof serverAuth,
): CaPath {
  const [leaf] = presented
  const intermediates = completeChain(presented, additional).slice(1)
  const verdict = verifyPath({ leaf, intermediates, authorities: ca.authorities, usage, now })
  if (!verdict.ok) refuse(verdict.reason, verdict.detail)
  return { path: verdict.path, expiresAt: verdict.expiresAt }
}

// Whoever has a SPIFFE ID is known by it alone: a CA of SPIFFE need not watch over common names.
function refuseSpiffeId(leaf: Certificate): void {
  const names = leaf.subjectAlternativeName?.names ?? []
  const id = names.find(({ type, value }) => type === 'uri' && typeof value === 'string' && /^spiffe:/i.test(value))
  if (id === undefined) return
  refuse(
    'spiffe_id_present',
    `${describeCertificate(leaf)} has the SPIFFE ID ${quoteText(String(id.value))}; use bundles instead of ca`,
  )
}

function readCommonName(leaf: Certificate): string {
  const [name, ...more] = leaf.subject.commonNames
  if (name === undefined) return refuse('no_common_name', 'the subject has no common name, expected exactly one')
  if (more.length > 0) refuse('several_common_names', `found ${more.length + 1} common names, expected exactly one`)
  return name
}

function readDnsName(leaf: Certificate): string {
  const names = leaf.subjectAlternativeName?.names ?? []
  const [name, ...more] = names.flatMap(({ type, value }) =>
    type === 'dns' && typeof value === 'string' ? [value] : [],
  )
  if (name === undefined) return refuse('no_dns_name', 'found no DNS name, expected exactly one')
  if (more.length > 0) refuse('several_dns_names', `found ${more.length + 1} DNS names, expected exactly one`)
  return name.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
}

function refuse(reason: SubjectRefusal, detail: string): never {
  throw new Refused(reason, detail)
}

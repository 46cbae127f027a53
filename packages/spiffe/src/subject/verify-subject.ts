import { type Certificate, clientAuth, serverAuth } from '../certificate/certificate.ts'
import { describeCertificate, quoteText } from '../certificate/describe.ts'
import { verifyPath } from '../certificate/path.ts'
import { checkName } from '../certificate/subtrees.ts'
import { completeChain, decodeChain } from '../svid/presented-chain.ts'
import { type ChainRefusal, Refused } from '../svid/refusal.ts'
import type { CaBundle } from '../trust/ca-bundle.ts'
import type { HandshakeSide } from '../trust/x509-source.ts'
import { checkKeyUsage } from './check-key-usage.ts'
import type { SubjectIdentity } from './subject-identity.ts'
import { mintX509Subject, type X509Subject } from './x509-subject.ts'

/** A chain that claims to be from a CA without SPIFFE, and the CA to verify it against. */
export interface SubjectClaim {
  /** DER, leaf first; the other certificates in any order. */
  readonly chain: readonly Uint8Array[]
  readonly ca: CaBundle
  /** Certificates that may complete the chain. They are verified like presented ones. */
  readonly additional?: readonly Certificate[]
  /** Epoch milliseconds. */
  readonly now: number
}

/** Why a chain identifies no caller, as a closed union. For operators, never for the peer. */
type SubjectRefusal =
  | ChainRefusal
  | 'spiffe_id_present'
  | 'no_common_name'
  | 'several_common_names'
  | 'no_dns_name'
  | 'several_dns_names'
  | 'name_unknown'

interface NoProof {
  readonly ok: false
  readonly reason: SubjectRefusal
  readonly detail: string
}

/** The proof, or the reason why there is none. Includes the name that the leaf claims, if it is safe to show. */
export type SubjectVerdict =
  | { readonly ok: true; readonly subject: X509Subject }
  | (NoProof & { readonly name?: string })

/**
 * Verifies the chain of a peer of a CA without SPIFFE. The leaf must have exactly one name of a closed list, and leaf
 * and path must be valid for a TLS client by RFC 5280. Never throws because of the chain, even if its bytes are
 * malformed.
 */
export function verifySubject(claim: SubjectClaim, identity: SubjectIdentity): SubjectVerdict {
  let name: string | undefined
  try {
    const presented = decodeChain(claim.chain, () => [...(claim.additional ?? []), ...claim.ca.authorities])
    const [leaf] = presented
    refuseSpiffeId(leaf)
    name = identity.kind === 'commonName' ? readCommonName(leaf) : readDnsName(leaf, identity)
    checkListed(name, identity)
    checkKeyUsage(leaf)
    const proved = verifyCaPath(presented, claim, clientAuth)
    if (identity.kind === 'commonName') checkHostConstraints(name, proved.path)
    return { ok: true, subject: mintX509Subject({ name, leaf, bundle: claim.ca, ...proved }) }
  } catch (error) {
    return { ...describeRefusal(error), ...(name !== undefined && isShowable(name) && { name }) }
  }
}

/** The result of a verified path. */
interface CaPath {
  readonly path: readonly Certificate[]
  readonly expiresAt: number
}

/**
 * Verifies our own chain and returns the sides of a handshake that it is valid for, at least one. A certificate for
 * clients only is enough for a service that only calls others. Its names are not checked here, because that is up to
 * the peers.
 */
export function verifyOwnChain(
  claim: SubjectClaim,
): ({ readonly ok: true; readonly sides: readonly HandshakeSide[] } & CaPath) | NoProof {
  const [asServer, asClient] = [verifyOwnSide(claim, serverAuth), verifyOwnSide(claim, clientAuth)]
  if (!asServer.ok) return asClient.ok ? { ...asClient, sides: ['client'] } : asServer
  return { ...asServer, sides: asClient.ok ? ['server', 'client'] : ['server'] }
}

function verifyOwnSide(
  claim: SubjectClaim,
  usage: typeof clientAuth | typeof serverAuth,
): ({ readonly ok: true } & CaPath) | NoProof {
  try {
    const presented = decodeChain(claim.chain, () => [...(claim.additional ?? []), ...claim.ca.authorities])
    refuseSpiffeId(presented[0])
    return { ok: true, ...verifyCaPath(presented, claim, usage) }
  } catch (error) {
    return describeRefusal(error)
  }
}

/** Returns the same proof under another bundle. Returns undefined unless that bundle has the authority of the path. */
export function carryOverSubject(subject: X509Subject, bundle: CaBundle): X509Subject | undefined {
  const { name, leaf, path, expiresAt } = subject
  const authority = path.at(-1)
  if (!bundle.authorities.some(({ sha256 }) => sha256 === authority?.sha256)) return undefined
  return mintX509Subject({ name, leaf, path, bundle, expiresAt })
}

// An unverified name can be very long, or contain characters that make it look like another name in a log.
function isShowable(name: string): boolean {
  return /^[^\p{C}\p{Zl}\p{Zp}]{1,253}$/u.test(name)
}

function describeRefusal(error: unknown): NoProof {
  if (!isRefused(error)) throw error
  const { reason, detail } = error
  return { ok: false, reason, detail }
}

function isRefused(error: unknown): error is Refused<SubjectRefusal> {
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

// A certificate with a SPIFFE ID is identified only by that ID: a SPIFFE CA need not control common names.
function refuseSpiffeId(leaf: Certificate): void {
  const id = readNames(leaf, 'uri').find((uri) => /^ *spiffe:/i.test(uri))
  if (id === undefined) return
  const found = `${describeCertificate(leaf)} has the SPIFFE ID ${quoteText(id)}`
  refuse('spiffe_id_present', `${found}; for certificates with SPIFFE IDs create the source with bundles instead of ca`)
}

function readCommonName(leaf: Certificate): string {
  const [name, ...more] = leaf.subject.commonNames
  if (name === undefined) return refuse('no_common_name', 'the subject has no common name, expected exactly one')
  if (more.length > 0) refuse('several_common_names', `found ${more.length + 1} common names, expected exactly one`)
  return name
}

// A server's certificate often has several names, such as `order-service` and `order-service.prod.internal`. The list
// decides which one is used. Two names of the list would mean two callers.
function readDnsName(leaf: Certificate, identity: SubjectIdentity): string {
  const names = [...new Set(readNames(leaf, 'dns').map((name) => identity.spell(name)))]
  const [name, ...more] = names.filter((each) => identity.find(each) !== undefined)
  if (more.length > 0)
    refuse('several_dns_names', `found ${more.length + 1} of the listed DNS names, expected exactly one`)
  return name ?? names[0] ?? refuse('no_dns_name', 'found no DNS name, expected exactly one of the listed names')
}

function readNames({ subjectAlternativeName }: Certificate, wanted: 'uri' | 'dns'): readonly string[] {
  return (subjectAlternativeName?.names ?? []).flatMap((name) => (name.type === wanted ? [name.value] : []))
}

function checkListed(name: string, identity: SubjectIdentity): void {
  if (identity.find(name) !== undefined) return
  const more = identity.names.length > 20 ? ', …' : ''
  refuse('name_unknown', `${quoteText(name)} is not one of ${identity.names.slice(0, 20).join(', ')}${more}`)
}

// DNS constraints do not apply to common names (RFC 5280 §4.2.1.10), and the path check applies them only to names that
// look like host names. Here any common name authenticates, so they apply to all: a CA that may only certify a
// partner's hosts must not be able to certify `core-api`.
function checkHostConstraints(name: string, path: readonly Certificate[]): void {
  const host = { type: 'dns', value: name } as const
  for (const { nameConstraints, subject } of path.slice(1)) {
    if (nameConstraints === undefined) continue
    const { permitted, excluded } = nameConstraints
    const hosts = permitted.filter(({ type }) => type === 'dns')
    const isPermitted = hosts.length === 0 || hosts.some((base) => checkName(host, base, 'permitted') === 'inside')
    if (isPermitted && excluded.every((base) => checkName(host, base, 'excluded') === 'outside')) continue
    refuse(
      'name_constraint_violated',
      `the common name ${quoteText(name)} is not permitted by ${quoteText(subject.text)}`,
    )
  }
}

function refuse(reason: SubjectRefusal, detail: string): never {
  throw new Refused(reason, detail)
}

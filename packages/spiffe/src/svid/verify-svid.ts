import { type Certificate, clientAuth, type serverAuth } from '../certificate/certificate.ts'
import { describeCertificate, quoteText } from '../certificate/describe.ts'
import { verifyPath } from '../certificate/path.ts'
import { SpiffeId } from '../spiffe-id/spiffe-id.ts'
import type { X509Bundle } from '../trust/bundle.ts'
import { describeFaults } from '../trust/bundle-fault.ts'
import { checkRevocation, type RevocationRefusal } from './check-revocation.ts'
import { checkUsages } from './check-usages.ts'
import { completeChain, decodeChain } from './presented-chain.ts'
import { type ChainRefusal, Refused } from './refusal.ts'
import { mintX509Svid, type X509Svid } from './x509-svid.ts'

/** A chain that claims to be an X.509-SVID, and the bundles to verify it against. */
export interface SvidClaim {
  /** DER, leaf first; the other certificates in any order. */
  readonly chain: readonly Uint8Array[]
  /** By trust domain. Only the bundle of the trust domain in the leaf's own SPIFFE ID is used. */
  readonly bundles: ReadonlyMap<string, X509Bundle>
  /** Certificates that may complete the chain. They are verified like presented ones. */
  readonly additional?: readonly Certificate[]
  /** Returns more such certificates by trust domain. Only the trust domain in the leaf's own SPIFFE ID is requested. */
  readonly known?: ((trustDomain: string) => readonly Certificate[]) | undefined
  /** The peer's side of the handshake; default `clientAuth`. */
  readonly usage?: typeof clientAuth | typeof serverAuth
  /**
   * Accepts a certificate that no current revocation list covers, but never one that is listed. For our own chain,
   * where this gives no advantage to an attacker. Default false.
   */
  readonly mayLackRevocation?: boolean
  /** Epoch milliseconds. */
  readonly now: number
}

/** Why a chain is not an X.509-SVID, as a closed union. For operators, never for the peer. */
type SvidRefusal =
  | ChainRefusal
  | 'no_uri_san'
  | 'several_uri_sans'
  | 'spiffe_id_invalid'
  | 'spiffe_id_without_path'
  | 'alternative_name_not_critical'
  | 'trust_domain_unknown'
  | 'signing_certificate_spiffe_id'
  | RevocationRefusal

/** The proof, or the reason why there is none. */
export type SvidVerdict =
  | { readonly ok: true; readonly svid: X509Svid }
  | {
      readonly ok: false
      readonly reason: SvidRefusal
      readonly detail: string
      /** The SPIFFE ID that the leaf claims, if it could be read. */
      readonly spiffeId?: string
    }

/**
 * Verifies a presented chain as X509-SVID §5 requires: the leaf by its checklist and the path by RFC 5280 §6. Uses only
 * the bundle of the trust domain in the leaf's own SPIFFE ID, and the revocation lists of that bundle if it has any.
 * Never throws because of the chain, even if its bytes are malformed.
 *
 * @see https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md#5-validation
 */
export function verifySvid(claim: SvidClaim): SvidVerdict {
  let spiffeId: SpiffeId | undefined
  try {
    const presented = decodeChain(claim.chain, (leaf) => listKnown(leaf, claim))
    const [leaf] = presented
    spiffeId = readSpiffeId(leaf)
    return { ok: true, svid: verifyAs(spiffeId, presented, claim) }
  } catch (error) {
    if (!isRefused(error)) throw error
    const { reason, detail } = error
    return { ok: false, reason, detail, ...(spiffeId && { spiffeId: spiffeId.toString() }) }
  }
}

function listKnown(leaf: Certificate, { bundles, additional = [], known }: SvidClaim): readonly Certificate[] {
  const trustDomain = /^spiffe:\/\/([^/]+)/.exec(readUris(leaf)[0] ?? '')?.[1] ?? ''
  return [...additional, ...(known?.(trustDomain) ?? []), ...(bundles.get(trustDomain)?.authorities ?? [])]
}

function verifyAs(spiffeId: SpiffeId, presented: readonly [Certificate, ...Certificate[]], claim: SvidClaim): X509Svid {
  const { bundles, additional = [], known, usage = clientAuth, mayLackRevocation = false, now } = claim
  const [leaf] = presented
  checkLeaf(leaf, spiffeId)
  const bundle = bundles.get(spiffeId.trustDomain)
  if (bundle === undefined) return refuse('trust_domain_unknown', `there is no bundle for ${spiffeId.trustDomain}`)
  const candidates = [...additional, ...(known?.(spiffeId.trustDomain) ?? [])]
  const intermediates = completeChain(presented, candidates).slice(1)
  const verdict = verifyPath({ leaf, intermediates, authorities: bundle.authorities, usage, now })
  if (!verdict.ok) return refuse(verdict.reason, `${verdict.detail}${describeLeftOut(verdict.reason, bundle)}`)
  for (const signer of verdict.path.slice(1)) checkSigner(signer, spiffeId)
  const { path } = verdict
  // RFC 5280 §6.1.3 a 3. A revoked path is final: no other path over issuers without a revocation is tried.
  const staleAt = checkRevocation(path, bundle.revocation, { mayLack: mayLackRevocation, now })
  return mintX509Svid({ spiffeId, leaf, path, bundle, expiresAt: Math.min(verdict.expiresAt, staleAt) })
}

/**
 * Returns the same proof under another bundle of the same trust domain. Returns undefined unless that bundle has the
 * authority of the path and the same revocation lists. Only then has nothing that was verified changed.
 */
export function carryOver(svid: X509Svid, bundle: X509Bundle | undefined): X509Svid | undefined {
  const { spiffeId, leaf, path, expiresAt } = svid
  const authority = path.at(-1)
  if (bundle?.trustDomain !== spiffeId.trustDomain) return undefined
  if (bundle.revocation.fingerprint !== svid.bundle.revocation.fingerprint) return undefined
  if (!bundle.authorities.some(({ sha256 }) => sha256 === authority?.sha256)) return undefined
  return mintX509Svid({ spiffeId, leaf, path, bundle, expiresAt })
}

// An unusable authority is not among the trusted ones, so the message mentions it.
function describeLeftOut(reason: SvidRefusal, { trustDomain, faults }: X509Bundle): string {
  if (reason !== 'unknown_authority' || faults.length === 0) return ''
  return `; left out of the bundle of ${trustDomain}: ${describeFaults(faults)}`
}

function isRefused(error: unknown): error is Refused<SvidRefusal> {
  return error instanceof Refused
}

// X509-SVID §2: exactly one URI SAN, of any scheme. §5.2: a valid SPIFFE ID.
function readSpiffeId(leaf: Certificate): SpiffeId {
  const uris = readUris(leaf)
  const [uri, ...more] = uris
  if (uri === undefined) refuse('no_uri_san', `${describeCertificate(leaf)} has no URI SAN, expected exactly one`)
  if (more.length > 0) refuse('several_uri_sans', `found ${uris.length} URI SANs, expected exactly one`)
  try {
    return SpiffeId.parse(uri)
  } catch (error) {
    return refuse('spiffe_id_invalid', `${quoteText(uri)}: ${String(error)}`)
  }
}

function checkLeaf(leaf: Certificate, id: SpiffeId): void {
  // §3.1, §5.2: the ID of a workload has a path. go-spiffe, java-spiffe and rust-spiffe do not check this for a peer.
  if (id.path === '') refuse('spiffe_id_without_path', 'found a SPIFFE ID without a path, expected that of a workload')
  // §3.1: if the subject is empty, the SAN is the only name, so no verifier may ignore it.
  if (leaf.subject.relativeNames.length === 0 && leaf.subjectAlternativeName?.critical !== true) {
    refuse('alternative_name_not_critical', 'the subject is empty, so the SAN must be critical')
  }
  checkUsages(leaf)
}

// §3.2: the SPIFFE ID of a signing certificate has no path. SPIFFE-ID §3.1: it is in the trust domain that it signs
// for.
function checkSigner(signer: Certificate, leafId: SpiffeId): void {
  for (const uri of readUris(signer)) {
    if (!/^spiffe:/i.test(uri) || uri === `spiffe://${leafId.trustDomain}`) continue
    refuse(
      'signing_certificate_spiffe_id',
      `${describeCertificate(signer)} has the URI SAN ${quoteText(uri)}, expected spiffe://${leafId.trustDomain}`,
    )
  }
}

function readUris(certificate: Certificate): readonly string[] {
  const names = certificate.subjectAlternativeName?.names ?? []
  return names.flatMap((name) => (name.type === 'uri' ? [name.value] : []))
}

function refuse(reason: SvidRefusal, detail: string): never {
  throw new Refused(reason, detail)
}

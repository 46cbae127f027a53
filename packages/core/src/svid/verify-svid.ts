import { type Certificate, clientAuth, serverAuth } from '../certificate/certificate.ts'
import { decodeCertificate } from '../certificate/decode.ts'
import { describeCertificate, quoteText } from '../certificate/describe.ts'
import { isSameName } from '../certificate/distinguished-name.ts'
import { verifyPath } from '../certificate/path.ts'
import { maxChainBytes, maxChainCertificates } from '../certificate/path-checks.ts'
import type { PathRefusal } from '../certificate/path-request.ts'
import { SpiffeId } from '../spiffe-id/spiffe-id.ts'
import type { X509Bundle } from '../trust/bundle.ts'
import { mintX509Svid, type X509Svid } from './x509-svid.ts'

/** A chain that claims to be an X.509-SVID, and what it is to be held against. */
export interface SvidClaim {
  /** DER, leaf first; what follows may stand in any order. */
  readonly chain: readonly Uint8Array[]
  /** By trust domain; only the one that the leaf's own SPIFFE ID names is looked at. */
  readonly bundles: ReadonlyMap<string, X509Bundle>
  /** Certificates that may complete the chain: they are verified like presented ones. */
  readonly additional?: readonly Certificate[]
  /** The side of the handshake that the peer is on; default `clientAuth`. */
  readonly usage?: typeof clientAuth | typeof serverAuth
  /** Epoch milliseconds. */
  readonly now: number
}

/** Why a chain is no X.509-SVID, closed; for operators, never for the peer. */
type SvidRefusal =
  | PathRefusal
  | 'certificate_missing'
  | 'certificate_malformed'
  | 'no_uri_san'
  | 'several_uri_sans'
  | 'spiffe_id_invalid'
  | 'spiffe_id_without_path'
  | 'leaf_is_ca'
  | 'key_usage_missing'
  | 'key_usage_not_critical'
  | 'digital_signature_missing'
  | 'leaf_may_sign'
  | 'extended_key_usage_incomplete'
  | 'alternative_name_not_critical'
  | 'trust_domain_unknown'
  | 'signing_certificate_spiffe_id'

/** The proof, or why there is none. */
export type SvidVerdict =
  | { readonly ok: true; readonly svid: X509Svid }
  | {
      readonly ok: false
      readonly reason: SvidRefusal
      readonly detail: string
      /** What the leaf claims, where it could be read. */
      readonly spiffeId?: string
    }

/**
 * Verifies a presented chain as X509-SVID §5 demands: the leaf by its checklist, the path by RFC 5280 §6, under the
 * bundle of the trust domain that the leaf's own SPIFFE ID names and no other. Never throws, whatever the
 * bytes of the chain.
 *
 * @see https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md#5-validation
 */
export function verifySvid(claim: SvidClaim): SvidVerdict {
  const { chain, bundles, additional = [], usage = clientAuth, now } = claim
  try {
    const presented = decodeChain(chain)
    const [leaf] = presented
    const spiffeId = readSpiffeId(leaf)
    checkLeaf(leaf, spiffeId)
    const bundle = bundles.get(spiffeId.trustDomain)
    if (bundle === undefined) {
      refuse('trust_domain_unknown', `there is no bundle of ${spiffeId.trustDomain}`, spiffeId)
    }
    const intermediates = completeChain(presented, additional).slice(1)
    const verdict = verifyPath({ leaf, intermediates, authorities: bundle.authorities, usage, now })
    if (!verdict.ok) refuse(verdict.reason, verdict.detail, spiffeId)
    for (const signer of verdict.path.slice(1)) checkSigner(signer, spiffeId)
    const { path, expiresAt } = verdict
    return { ok: true, svid: mintX509Svid({ spiffeId, leaf, path, bundle, expiresAt }) }
  } catch (error) {
    if (error instanceof Refused) return error.verdict
    throw error
  }
}

function decodeChain(chain: readonly Uint8Array[]): readonly [Certificate, ...Certificate[]] {
  if (chain.length > maxChainCertificates) {
    refuse('too_many_certificates', `found ${chain.length} certificates, expected at most ${maxChainCertificates}`)
  }
  const bytes = chain.reduce((sum, der) => sum + der.length, 0)
  if (bytes > maxChainBytes) refuse('chain_too_large', `found ${bytes} bytes, expected at most ${maxChainBytes}`)
  const [leaf, ...rest] = chain
  if (leaf === undefined) refuse('certificate_missing', 'the peer presented no certificate')
  return [decode(leaf), ...rest.map(decode)]
}

function decode(der: Uint8Array): Certificate {
  try {
    return decodeCertificate(der)
  } catch (error) {
    // Whatever went wrong with these bytes, they prove nothing.
    return refuse('certificate_malformed', String(error))
  }
}

// Only possible issuers, and within the limits of a presented chain: what somebody else once presented must never be
// what makes this chain too long.
function completeChain(presented: readonly Certificate[], additional: readonly Certificate[]): readonly Certificate[] {
  const chain = [...presented]
  let bytes = chain.reduce((sum, { der }) => sum + der.length, 0)
  for (const child of chain) {
    for (const candidate of additional) {
      if (!mayHaveIssued(candidate, child) || chain.some(({ sha256 }) => sha256 === candidate.sha256)) continue
      bytes += candidate.der.length
      if (chain.length === maxChainCertificates || bytes > maxChainBytes) return chain
      chain.push(candidate)
    }
  }
  return chain
}

function mayHaveIssued({ subject, subjectKeyId }: Certificate, { issuer, authorityKeyId }: Certificate): boolean {
  const areKeyIdsKnown = subjectKeyId !== undefined && authorityKeyId !== undefined
  return isSameName(subject, issuer) && (!areKeyIdsKnown || subjectKeyId === authorityKeyId)
}

// X509-SVID §2: exactly one URI SAN, of whatever scheme; §5.2: a valid SPIFFE ID.
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
  const usages = leaf.keyUsage?.usages
  const extended = leaf.extendedKeyUsage
  const alternativeName = leaf.subjectAlternativeName
  // §3.1, §5.2: the ID of a workload has a path; go-spiffe, java-spiffe and rust-spiffe do not ask a peer for it.
  if (id.path === '') refuse('spiffe_id_without_path', 'the SPIFFE ID of a workload has a path', id)
  // §3.1: with an empty subject the name is nowhere else, so nobody may skip it.
  if (leaf.subject.relativeNames.length === 0 && alternativeName?.critical !== true) {
    refuse('alternative_name_not_critical', 'the subject is empty, so the SAN has to be critical', id)
  }
  // §4.1, §5.2
  if (leaf.basicConstraints?.cA === true) refuse('leaf_is_ca', 'found cA true, expected a leaf certificate', id)
  // §4.3
  if (usages === undefined) refuse('key_usage_missing', 'found no key usage, expected a critical one', id)
  if (leaf.keyUsage?.critical !== true) refuse('key_usage_not_critical', 'the key usage has to be critical', id)
  if (usages.has('keyCertSign')) refuse('leaf_may_sign', 'found keyCertSign on a leaf', id)
  if (usages.has('cRLSign')) refuse('leaf_may_sign', 'found cRLSign on a leaf', id)
  if (!usages.has('digitalSignature')) refuse('digital_signature_missing', 'found no digitalSignature', id)
  // §4.4: both or none. A certificate for one side of the handshake only is no SVID.
  if (extended !== undefined && !(extended.includes(serverAuth) && extended.includes(clientAuth))) {
    refuse('extended_key_usage_incomplete', 'expected serverAuth and clientAuth, or no extended key usage', id)
  }
}

// §3.2: a signing certificate's SPIFFE ID has no path; SPIFFE-ID §3.1: it lies in the trust domain that it signs for.
function checkSigner(signer: Certificate, leafId: SpiffeId): void {
  for (const uri of readUris(signer)) {
    if (!/^spiffe:/i.test(uri) || uri === `spiffe://${leafId.trustDomain}`) continue
    refuse(
      'signing_certificate_spiffe_id',
      `${describeCertificate(signer)} is named ${quoteText(uri)}, expected spiffe://${leafId.trustDomain}`,
      leafId,
    )
  }
}

function readUris(certificate: Certificate): readonly string[] {
  const names = certificate.subjectAlternativeName?.names ?? []
  return names.flatMap((name) => (name.type === 'uri' ? [name.value] : []))
}

/** Leaves a checklist at its first failing line; never leaves this file. */
class Refused extends Error {
  readonly verdict: SvidVerdict

  constructor(verdict: SvidVerdict) {
    super()
    this.verdict = verdict
  }
}

function refuse(reason: SvidRefusal, detail: string, spiffeId?: SpiffeId): never {
  throw new Refused({ ok: false, reason, detail, ...(spiffeId && { spiffeId: spiffeId.toString() }) })
}

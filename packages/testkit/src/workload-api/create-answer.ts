import { SpiffeId } from '@countersign/spiffe'
import { JwtBundle, verifyJwtSvid } from '@countersign/spiffe/jwt'
import type { AgentContent } from './agent-state.ts'
import { type Answer, refuse, type X509SvidFields } from './answer.ts'
import { encodeFederatedBundles, encodeJwtBundles, encodeX509Bundle, encodeX509Bundles } from './bundle-fields.ts'
import { toStruct } from './claims-struct.ts'
import { encodePrivateKey } from './encode-private-key.ts'
import { type HeldSvid, ttlOf } from './held-svid.ts'
import type { CallFacts, WorkloadRequest } from './open-call.ts'
import { listJwtAuthorities } from './trust-domain-keys.ts'

/** Returns the answer of an agent without faults. */
export async function createAnswer(facts: CallFacts, content: AgentContent): Promise<Answer> {
  if (!facts.hasHeader) return refuse('INVALID_ARGUMENT', 'security header missing from request')
  if (facts.method === 'ValidateJWTSVID') return validateJwtSvid(facts.request, content)
  if (content.held.length === 0) return refuse('PERMISSION_DENIED', 'no identity issued')
  if (facts.method === 'FetchJWTSVID') return issueJwtSvids(facts.request, content)
  if (facts.method === 'FetchX509SVID') return { kind: facts.method, message: createX509Svids(content) }
  if (facts.method === 'FetchJWTBundles') return { kind: facts.method, message: { bundles: encodeJwtBundles(content) } }
  return { kind: facts.method, message: { crl: content.crls, bundles: encodeX509Bundles(content) } }
}

function createX509Svids(content: AgentContent): Extract<Answer, { kind: 'FetchX509SVID' }>['message'] {
  const svids = content.held.map(({ entry, svid }): X509SvidFields => ({
    spiffe_id: svid.spiffeId,
    x509_svid: Buffer.concat(svid.certificates),
    x509_svid_key: encodePrivateKey(svid.keyPem),
    bundle: encodeX509Bundle(content, SpiffeId.parse(svid.spiffeId).trustDomain),
    hint: entry.hint ?? '',
  }))
  return { svids, crl: content.crls, federated_bundles: encodeFederatedBundles(content) }
}

function issueJwtSvids(request: WorkloadRequest, content: AgentContent): Answer {
  const { audience = [], spiffe_id: wanted = '' } = request
  const audiences = typeof audience === 'string' ? [audience] : audience
  if (audiences.every((one) => one === '')) return refuse('INVALID_ARGUMENT', 'audience must be specified')
  const entitled = content.held.filter(({ svid }) => wanted === '' || svid.spiffeId === wanted)
  if (entitled.length === 0) return refuse('PERMISSION_DENIED', 'no identity issued')
  const svids = entitled.map((held) => ({
    spiffe_id: held.svid.spiffeId,
    svid: issueJwtSvid(held, audiences, content),
    hint: held.entry.hint ?? '',
  }))
  return { kind: 'FetchJWTSVID', message: { svids } }
}

function issueJwtSvid({ svid, entry }: HeldSvid, audience: readonly string[], { keys }: AgentContent): string {
  const issuer = keys.get(SpiffeId.parse(svid.spiffeId).trustDomain)?.issuer
  const ttlSeconds = Math.min(ttlOf(entry), longestJwtSeconds)
  return issuer?.issueJwt(svid.spiffeId, { audience, ttlSeconds, faults: entry.jwtFaults ?? [] }).token ?? ''
}

// SPIRE's default, because a stolen token can be replayed (JWT-SVID §7).
const longestJwtSeconds = 300

async function validateJwtSvid({ audience = '', svid = '' }: WorkloadRequest, content: AgentContent): Promise<Answer> {
  if (typeof audience !== 'string' || audience === '') return refuse('INVALID_ARGUMENT', 'audience must be specified')
  if (svid === '') return refuse('INVALID_ARGUMENT', 'svid must be specified')
  const verdict = await verifyJwtSvid(svid, {
    bundles: createJwtBundles(content),
    audiences: [audience],
    now: Date.now(),
  })
  if (!verdict.ok) return refuse('INVALID_ARGUMENT', `${verdict.reason}: ${verdict.detail}`)
  const { spiffeId, claims } = verdict.svid
  return { kind: 'ValidateJWTSVID', message: { spiffe_id: spiffeId.toString(), claims: toStruct(claims) } }
}

function createJwtBundles({ keys }: AgentContent): ReadonlyMap<string, JwtBundle> {
  return new Map(
    [...keys].map(([name, own]) => {
      const document = JSON.stringify({ keys: listJwtAuthorities(own) })
      return [name, JwtBundle.fromWorkloadApi(name, document)]
    }),
  )
}

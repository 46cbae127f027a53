import { SpiffeId } from '@countersign/spiffe'
import { readAudiences } from '@countersign/spiffe/jwt'
import type { AgentContent } from './agent-state.ts'
import type { Answer, JwtSvidFields, X509SvidFields } from './answer.ts'
import { encodePrivateKey } from './encode-private-key.ts'
import { issueHeldSvid } from './held-svid.ts'

/** Replaces each SVID, X.509 or JWT, with an expired one. The rest of the answer stays the same. */
export async function expireSvids(answer: Answer, content: AgentContent): Promise<Answer> {
  if (answer.kind === 'FetchX509SVID') {
    const svids = await Promise.all(answer.message.svids.map((svid) => expireX509(svid, content)))
    return { ...answer, message: { ...answer.message, svids } }
  }
  if (answer.kind !== 'FetchJWTSVID') return answer
  const svids = answer.message.svids.map((svid) => expireJwt(svid, content))
  return { ...answer, message: { svids } }
}

// An ID that the agent does not hold was changed by an earlier fault.
async function expireX509(svid: X509SvidFields, { held, keys }: AgentContent): Promise<X509SvidFields> {
  const entry = held.find((one) => one.svid.spiffeId === svid.spiffe_id)?.entry
  if (entry === undefined) return svid
  const authority = keys.get(SpiffeId.parse(entry.spiffeId).trustDomain)?.issuer
  if (authority === undefined) return svid
  const expired = (await issueHeldSvid(entry, authority, ['expired'])).svid
  return { ...svid, x509_svid: Buffer.concat(expired.certificates), x509_svid_key: encodePrivateKey(expired.keyPem) }
}

function expireJwt(svid: JwtSvidFields, { held, keys }: AgentContent): JwtSvidFields {
  const id = held.find((one) => one.svid.spiffeId === svid.spiffe_id)?.svid.spiffeId
  const issuer = id === undefined ? undefined : keys.get(SpiffeId.parse(id).trustDomain)?.issuer
  const audience = readAudiences(svid.svid) ?? []
  if (issuer === undefined || id === undefined || audience.length === 0) return svid
  return { ...svid, svid: issuer.issueJwt(id, { audience, faults: ['expired'] }).token }
}

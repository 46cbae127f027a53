import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigurationError, SpiffeIdError } from '@countersign/spiffe'
import { staticJwtBundles, verifyJwtSvid } from '@countersign/spiffe/jwt'
import { createAuthority, type IssueJwtOptions, type JwtFault } from '@countersign/testkit'

const id = 'spiffe://saas.example/ns/production/sa/core-api'
const authority = await createAuthority('saas.example')
const bundles = staticJwtBundles({ 'saas.example': authority.jwtBundle }).current()

/** The reason why the verifier refuses each faulty token. */
const reasons: Readonly<Record<JwtFault, string>> = {
  expired: 'expired',
  no_expiry: 'expiry_missing',
  not_yet_valid: 'not_yet_valid',
  wrong_audience: 'audience_unexpected',
  no_audience: 'audience_missing',
  no_subject: 'subject_missing',
  no_path: 'spiffe_id_without_path',
  invalid_spiffe_id: 'spiffe_id_invalid',
  foreign_trust_domain: 'trust_domain_unknown',
  foreign_key: 'signature_invalid',
  unknown_key: 'key_unknown',
  no_key_id: 'ok',
  bad_signature: 'signature_invalid',
  no_signature: 'signature_invalid',
  alg_none: 'algorithm_forbidden',
  hs256: 'algorithm_forbidden',
  wrong_algorithm: 'key_unknown',
  at_jwt_type: 'type_forbidden',
  wit_jwt_type: 'type_forbidden',
  critical_header: 'header_forbidden',
  key_in_header: 'header_forbidden',
  duplicate_claims: 'token_malformed',
  json_serialization: 'token_malformed',
}

for (const [name, reason] of Object.entries(reasons)) {
  test(`a token with the fault ${name} is refused with ${reason}`, async () => {
    const fault = Object.keys(reasons).find((key): key is JwtFault => key === name)
    assert.equal(await verify({ audience: 'billing', faults: fault === undefined ? [] : [fault] }), reason)
  })
}

test('a token without faults is valid, for its audiences and lifetime', async () => {
  const now = Date.UTC(2026, 5, 1, 12)
  const issued = authority.issueJwt(id, { audience: ['billing', 'ledger'], ttlSeconds: 60, now, claims: { team: 'a' } })
  const verdict = await verifyJwtSvid(issued.token, { bundles, audiences: ['ledger'], now })

  assert.ok(verdict.ok)
  const { svid } = verdict
  assert.deepEqual([svid.spiffeId.toString(), svid.expiresAt, svid.issuedAt], [id, now + 60_000, now])
  assert.deepEqual(
    [svid.audiences, svid.claims['team'], svid.keyId],
    [['billing', 'ledger'], 'a', authority.jwtAuthority.kid],
  )
  assert.equal(issued.expiresAt, svid.expiresAt)
  assert.equal(issued.spiffeId, id)
})

test('faults are applied in order', async () => {
  assert.equal(await verify({ audience: 'billing', faults: ['expired', 'wrong_audience'] }), 'audience_unexpected')
  assert.equal(await verify({ audience: 'billing', faults: ['no_subject', 'duplicate_claims'] }), 'ok of admin')
})

test('a root and its intermediate share a JWT authority, and another root has its own', async () => {
  const intermediate = await authority.intermediate()
  const other = await createAuthority('saas.example')
  const both = staticJwtBundles({
    'saas.example': { keys: [authority, other].map(({ jwtAuthority }) => ({ ...jwtAuthority, use: 'jwt-svid' })) },
  }).current()

  assert.equal(intermediate.jwtBundle, authority.jwtBundle)
  assert.notEqual(other.jwtAuthority.kid, authority.jwtAuthority.kid)
  for (const issuer of [intermediate, other]) {
    const { token } = issuer.issueJwt(id, { audience: 'billing' })
    assert.ok((await verifyJwtSvid(token, { bundles: both, audiences: ['billing'], now: Date.now() })).ok)
  }
})

test('refuses what would make a token faulty by mistake', () => {
  const wrong: readonly (readonly unknown[])[] = [
    [id],
    [id, {}],
    [id, { audience: '' }],
    [id, { audience: [] }],
    [id, { audience: 1 }],
    [id, { audience: 'billing', faults: ['expird'] }],
    [id, { audience: 'billing', ttl: 60 }],
    ['spiffe://saas.example', { audience: 'billing' }],
    ['spiffe://partner.example/x', { audience: 'billing' }],
  ]
  const issue: unknown = Reflect.get(authority, 'issueJwt')
  assert.ok(typeof issue === 'function')
  for (const given of wrong) assert.throws(() => Reflect.apply(issue, authority, given), ConfigurationError)
  assert.throws(() => Reflect.apply(issue, authority, ['core-api', { audience: 'billing' }]), SpiffeIdError)
})

async function verify(options: IssueJwtOptions): Promise<string> {
  const { token } = authority.issueJwt(id, options)
  const verdict = await verifyJwtSvid(token, { bundles, audiences: ['billing'], now: Date.now() })
  if (!verdict.ok) return verdict.reason
  return verdict.svid.spiffeId.toString() === id ? 'ok' : 'ok of admin'
}

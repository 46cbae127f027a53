import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigurationError } from '@countersign/spiffe'
import { JwtBundle, type JwtBundles, verifyJwtSvid } from '@countersign/spiffe/jwt'
import { mapOf, reasonOf } from './billing-token.ts'
import { craft } from './tokens.ts'
import {
  createClaims,
  createToken,
  documents,
  expected,
  readRows,
  secretDocument,
  signers,
  strangers,
  subject,
} from './vector-rows.ts'

/** Every row of test/vectors/jwt-svid-cases.json. Rows whose verdict is `policy` have ours in `expected`. */

const now = 1_800_000_000_000
const rows = readRows(now)
const bundle = JwtBundle.parse('test.example.org', documents['test.example.org'])
const other = JwtBundle.parse('b.test', documents['b.test'])

const bundles: Readonly<Record<string, JwtBundles>> = {
  'alg-hs256-oct-in-bundle': mapOf(JwtBundle.parse('test.example.org', secretDocument)),
}

for (const row of rows) {
  if (row.verdict === 'caller error' || row.id === 'same-kid-in-two-tds') continue
  const answer = row.verdict === 'accept' ? 'ok' : expected[row.id]

  test(`${row.id}: ${answer}`, async () => {
    const token = createToken(row)
    const verdict = await verifyJwtSvid(token, {
      bundles: bundles[row.id] ?? mapOf(bundle, other),
      audiences: [row.audience ?? ''],
      now,
    })

    assert.equal(reasonOf(verdict), answer, verdict.ok ? '' : verdict.detail)
    if (verdict.ok) assert.equal(verdict.svid.spiffeId.toString(), subject)
    else assert.ok(token.length < 20 || !verdict.detail.includes(token.slice(0, 20)))
    assert.equal(row.verdict === 'reject' && verdict.ok, false)
  })
}

test('same-kid-in-two-tds: each subject is verified with the key of its own trust domain', async () => {
  const header = { alg: 'ES256', kid: 'authority1' }
  const claims = createClaims(now)
  const both = mapOf(bundle, other)
  const options = { bundles: both, audiences: ['conformance'], now }
  const theirs = { ...claims, sub: 'spiffe://b.test/x' }

  assert.equal(reasonOf(await verifyJwtSvid(craft(header, claims, signers.authority1.privateKey), options)), 'ok')
  assert.equal(reasonOf(await verifyJwtSvid(craft(header, theirs, strangers.ec.privateKey), options)), 'ok')
  const crossed = [craft(header, theirs, signers.authority1.privateKey), craft(header, claims, strangers.ec.privateKey)]
  for (const token of crossed) assert.equal(reasonOf(await verifyJwtSvid(token, options)), 'signature_invalid')
})

test('validator-without-audience: refuses to verify instead of skipping the check', async () => {
  const token = craft({ alg: 'ES256', kid: 'authority1' }, createClaims(now), signers.authority1.privateKey)

  await assert.rejects(
    verifyJwtSvid(token, { bundles: mapOf(bundle), audiences: [], now }),
    (error) => error instanceof ConfigurationError && error.code === 'option_invalid',
  )
})

test('covers every row', () => {
  assert.equal(rows.length, 67)
  const open = rows.filter(({ verdict }) => !['accept', 'caller error'].includes(verdict)).map(({ id }) => id)
  assert.deepEqual(Object.keys(expected).toSorted(), open.filter((id) => id !== 'same-kid-in-two-tds').toSorted())
})

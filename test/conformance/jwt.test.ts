import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test, type TestContext } from 'node:test'
import { createAuthority } from '@countersign/testkit'
import { type Agent, startAgent } from '@countersign/testkit/workload-api'
import { asObject, readList, readText } from '../jwt/read-json.ts'
import { craft, createSigner, toDocument } from '../jwt/tokens.ts'
import { createClaims, createToken, documents, readRows, signers, subject } from '../jwt/vector-rows.ts'
import { startScriptedAgent } from '../workload-api/scripted-agent.ts'
import { Harness } from './start-harness.ts'
import { until } from './until.ts'

// The groups JV, JB and ID of the suite. Every token is verified by the harness itself, with the bundles of the agent.

const workload = 'spiffe://test.example.org/workload'

test('JV: returns the verdict of the standard on every token, with an agent that validates none', async (context) => {
  const harness = await open(context, { 'spiffe://test.example.org': documents['test.example.org'] })
  const rows = readRows(Date.now()).filter(({ source }) => source.includes('conformance suite JV-'))
  const named = new Set(
    rows.flatMap(({ source }) => [...source.matchAll(/JV-(\d+)/g)].map(([, number]) => Number(number))),
  )
  assert.deepEqual(
    [...named].toSorted((one, other) => one - other),
    Array.from({ length: 25 }, (_, index) => index + 1),
  )
  for (const row of rows) {
    // Rows that the standard leaves open are ours to refuse, in this group.
    const status = row.verdict === 'accept' ? 200 : 422
    const found = await validate(harness, createToken(row), row.audience)
    assert.equal(found.status, status, `${row.id}: ${JSON.stringify(found.body)}`)
    if (status === 200) assert.equal(asObject(found.body)['spiffe_id'], subject, row.id)
  }
})

test('JB-1, JB-2: picks up a key that an update adds, and drops one that an update removes', async (context) => {
  const { agent, harness } = await follow(context)
  const before = await fetchToken(harness)
  const next = await createAuthority('saas.example')
  await agent.setAuthority(next)
  const { token } = next.issueJwt('spiffe://saas.example/workload', { audience: 'conformance' })
  await until(
    () => validate(harness, token),
    ({ status }) => status === 200,
  )
  assert.equal((await validate(harness, before)).status, 200)

  await agent.setAuthority(await createAuthority('saas.example'), { overlapSeconds: 0 })
  await until(
    () => validate(harness, before),
    ({ status }) => status === 422,
  )
})

test('JB-3, JB-8: verifies a federated token with its own bundle, until that is removed', async (context) => {
  const { agent, harness } = await follow(context)
  const id = 'spiffe://partner.example/workload'
  const token = await fetchToken(harness, id)
  assert.equal((await validate(harness, token)).status, 200)

  await agent.setEntries([{ spiffeId: 'spiffe://saas.example/workload' }])
  await until(
    () => validate(harness, token),
    ({ status }) => status === 422,
  )
})

const three = ['first', 'second', 'third'].map((kid) => createSigner(kid))
const [first = createSigner('first'), second = createSigner('second')] = three
const { use: _, ...withoutUse } = first.jwk

const bundleCases: readonly (readonly [id: string, document: string, status: 200 | 422])[] = [
  ['JB-4: chooses the key by kid among three', toDocument(...three), 200],
  ['JB-5: refuses a key for X.509-SVIDs', toDocument({ ...first.jwk, use: 'x509-svid' }, second), 422],
  ['JB-5: accepts a key without use, which SPIRE sends', toDocument(withoutUse, second), 200],
  ['JB-6: ignores keys of an unknown type', toDocument({ kty: 'unknown', kid: 'first', use: 'jwt-svid' }, first), 200],
  ['JB-7: trusts nothing without keys', '{"keys":[]}', 422],
]

for (const [name, document, status] of bundleCases) {
  test(name, async (context) => {
    const harness = await open(context, { 'spiffe://test.example.org': document })
    const token = craft({ alg: 'ES256', kid: 'first' }, createClaims(Date.now()), first.privateKey)

    assert.equal((await validate(harness, token)).status, status)
  })
}

test('ID: accepts a sub exactly if it is the SPIFFE ID of a workload', async (context) => {
  const vectors = readList(JSON.parse(readFileSync(new URL('../vectors/spiffe-ids.json', import.meta.url), 'utf8')))
  const ids = vectors.map((row) => asObject(row))
  const names = ids.flatMap(({ verdict, trustDomain }) => (verdict === 'valid' ? [readText(trustDomain)] : []))
  const document = toDocument(signers.authority1)
  const harness = await open(context, Object.fromEntries(names.map((name) => [`spiffe://${name}`, document])))

  assert.ok(ids.length > 50)
  for (const { input, verdict, path } of ids) {
    const sub = readText(input)
    const claims = { ...createClaims(Date.now()), sub }
    const found = await validate(
      harness,
      craft({ alg: 'ES256', kid: 'authority1' }, claims, signers.authority1.privateKey),
    )
    // A trust domain is not a workload.
    const status = verdict === 'valid' && path !== '' ? 200 : 422
    assert.equal(found.status, status, `${sub.slice(0, 100)}: ${JSON.stringify(found.body).slice(0, 200)}`)
  }
})

type Response = Awaited<ReturnType<Harness['ask']>>

function validate(harness: Harness, token: string, audience = 'conformance'): Promise<Response> {
  return harness.ask('POST', '/v1/jwt/validate', { token, audience })
}

/** A harness whose agent sends these JWT bundles, and does not implement ValidateJWTSVID. */
async function open(context: TestContext, bundles: Readonly<Record<string, string>>): Promise<Harness> {
  const authority = await createAuthority('test.example.org')
  const svid = await authority.issue(workload)
  const key = createPrivateKey(svid.keyPem).export({ type: 'pkcs8', format: 'der' })
  const x509 = {
    spiffe_id: workload,
    x509_svid: Buffer.concat(svid.certificates),
    x509_svid_key: key,
    bundle: authority.certificateDer,
  }
  const jwt = Object.fromEntries(Object.entries(bundles).map(([name, text]) => [name, Buffer.from(text)]))
  // One message for both streams: each method encodes the fields of its own answer.
  const { endpoint } = await startScriptedAgent(context, () => ({ messages: [{ svids: [x509], bundles: jwt }] }))
  const harness = new Harness(context, endpoint)
  await harness.read('READY')
  return harness
}

/** A harness with an embedded agent of two trust domains. */
async function follow(context: TestContext): Promise<{ readonly agent: Agent; readonly harness: Harness }> {
  const authorities = await Promise.all(['saas.example', 'partner.example'].map((name) => createAuthority(name)))
  const entries = [
    { spiffeId: 'spiffe://saas.example/workload', federatesWith: ['partner.example'] },
    { spiffeId: 'spiffe://partner.example/workload' },
  ]
  const agent = await startAgent({ authorities, entries })
  context.after(() => agent.close())
  const harness = new Harness(context, agent.endpoint)
  await harness.read('READY')
  return { agent, harness }
}

async function fetchToken(harness: Harness, spiffe_id = 'spiffe://saas.example/workload'): Promise<string> {
  const { body } = await harness.ask('POST', '/v1/jwt/fetch', { audience: ['conformance'], spiffe_id })
  return readText(asObject(readList(asObject(body)['svids'])[0])['token'])
}

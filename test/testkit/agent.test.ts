import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { type Authority, createAuthority } from '@countersign/testkit'
import { billing, coreApi, openAgent } from './open-agent.ts'
import { parseKeys } from './parse-keys.ts'
import { RawClient, type X509SvidResponse } from './raw-client.ts'

test('a new stream receives everything at once, in the standard format', async (context) => {
  const root = await createAuthority('saas.example')
  const authority = await root.intermediate()
  const agent = await openAgent(context, { authority, entries: [{ spiffeId: billing, hint: 'internal' }] })
  const message = await new RawClient(context, agent).x509Svids().next()

  const [svid] = message.svids
  assert.ok(svid)
  assert.equal(svid.spiffe_id, billing)
  assert.equal(svid.hint, 'internal')
  const leaf = new X509Certificate(svid.x509_svid)
  assert.equal(leaf.subjectAltName, `URI:${billing}`)
  assert.ok(leaf.checkPrivateKey(createPrivateKey({ key: svid.x509_svid_key, type: 'pkcs8', format: 'der' })))
  assert.deepEqual(svid.x509_svid, Buffer.concat([leaf.raw, authority.certificateDer]))
  assert.deepEqual(svid.bundle, root.certificateDer)
  assert.deepEqual(message.crl, [])
  assert.deepEqual(message.federated_bundles, {})
})

test('an entry sets lifetime, key and faults of its certificates', async (context) => {
  const entry = { spiffeId: billing, ttlSeconds: 60, keyType: 'P-384', faults: ['two_uri_sans'] } as const
  const agent = await openAgent(context, { entries: [entry] })
  const leaf = leafOf(await new RawClient(context, agent).x509Svids().next())
  // It is valid from ten seconds before it is issued, and both dates are whole seconds.
  const life = Date.parse(leaf.validTo) - Date.parse(leaf.validFrom)
  assert.ok(life >= 70_000 && life <= 72_000, `${life} ms`)
  assert.equal(leaf.publicKey.asymmetricKeyDetails?.namedCurve, 'secp384r1')
  assert.equal(leaf.subjectAltName, `URI:${billing}, URI:${billing}-second`)
})

test('a call without the security header is refused, whatever the method', async (context) => {
  const agent = await openAgent(context)
  const client = new RawClient(context, agent, false)
  const refused = { code: 'INVALID_ARGUMENT' }
  await assert.rejects(client.x509Svids().next(), refused)
  await assert.rejects(client.x509Bundles().next(), refused)
  await assert.rejects(client.jwtBundles().next(), refused)
  await assert.rejects(client.jwtSvids(['billing']), refused)
  await assert.rejects(client.validate('billing', 'token'), refused)
  assert.deepEqual(
    agent.calls.map(({ method, hasHeader }) => [method, hasHeader]),
    ['FetchX509SVID', 'FetchX509Bundles', 'FetchJWTBundles', 'FetchJWTSVID', 'ValidateJWTSVID'].map((method) => [
      method,
      false,
    ]),
  )
})

test('without an entry every workload is denied, and open streams are closed', async (context) => {
  const agent = await openAgent(context)
  const client = new RawClient(context, agent)
  const stream = client.x509Svids()
  await stream.next()
  await agent.setEntries([])
  const denied = { code: 'PERMISSION_DENIED' }
  await assert.rejects(stream.next(), denied)
  await assert.rejects(client.x509Svids().next(), denied)
  await assert.rejects(client.x509Bundles().next(), denied)
  await assert.rejects(client.jwtBundles().next(), denied)
  await assert.rejects(client.jwtSvids(['billing']), denied)
})

test('entries can be replaced while streams are open', async (context) => {
  const agent = await openAgent(context)
  const stream = new RawClient(context, agent).x509Svids()
  await stream.next()
  await agent.setEntries([{ spiffeId: coreApi, hint: 'first' }, { spiffeId: billing }])
  const { svids } = await stream.next()
  assert.deepEqual(
    svids.map(({ spiffe_id, hint }) => [spiffe_id, hint]),
    [
      [coreApi, 'first'],
      [billing, ''],
    ],
  )
})

test('an SVID of a few seconds is replaced before it expires, again and again', async (context) => {
  const agent = await openAgent(context, { entries: [{ spiffeId: billing, ttlSeconds: 2 }] })
  const stream = new RawClient(context, agent).x509Svids()
  const serials = new Set<string>()
  for (let count = 0; count < 3; count += 1) {
    serials.add(leafOf(await stream.next()).serialNumber)
  }
  assert.equal(serials.size, 3)
})

test('a manual rotation affects workloads with SVIDs, not those with only bundles', async (context) => {
  const agent = await openAgent(context)
  const client = new RawClient(context, agent)
  const [svids, bundles] = [client.x509Svids(), client.x509Bundles()]
  const before = leafOf(await svids.next())
  await bundles.next()
  await agent.rotate()
  assert.notEqual(leafOf(await svids.next()).serialNumber, before.serialNumber)
  const crl = Buffer.from('a list')
  await agent.setCrls([crl])
  assert.deepEqual((await svids.next()).crl, [crl])
  assert.deepEqual((await bundles.next()).crl, [crl])
})

test('the next authority issues immediately, and the bundle contains both until the overlap ends', async (context) => {
  const [first, second] = await Promise.all([createAuthority('saas.example'), createAuthority('saas.example')])
  const agent = await openAgent(context, { authority: first })
  const client = new RawClient(context, agent)
  const [stream, tokens] = [client.x509Svids(), client.jwtBundles()]
  assert.ok(isIssuedBy(leafOf(await stream.next()), first))
  assert.equal(parseKeys((await tokens.next()).bundles['spiffe://saas.example']).length, 1)

  await agent.setAuthority(second, { overlapSeconds: 0.2 })
  const during = await stream.next()
  assert.ok(isIssuedBy(leafOf(during), second))
  assert.deepEqual(during.svids[0]?.bundle, Buffer.concat([second.certificateDer, first.certificateDer]))
  assert.equal(parseKeys((await tokens.next()).bundles['spiffe://saas.example']).length, 2)

  const after = await stream.next()
  assert.deepEqual(after.svids[0]?.bundle, second.certificateDer)
  assert.equal(leafOf(after).serialNumber, leafOf(during).serialNumber)
  assert.equal(parseKeys((await tokens.next()).bundles['spiffe://saas.example']).length, 1)
})

test('an agent that was restarted with another authority has only that one', async (context) => {
  const [first, second] = await Promise.all([createAuthority('saas.example'), createAuthority('saas.example')])
  const agent = await openAgent(context, { authority: first })
  const { endpoint } = agent
  const stream = new RawClient(context, agent).x509Svids()
  await stream.next()
  await agent.restart({ authority: second })
  await assert.rejects(stream.next(), { code: 'UNAVAILABLE' })
  assert.equal(agent.endpoint, endpoint)
  const message = await new RawClient(context, agent).x509Svids().next()
  assert.ok(isIssuedBy(leafOf(message), second))
  assert.deepEqual(message.svids[0]?.bundle, second.certificateDer)
})

for (const endpoint of [undefined, 'tcp://127.0.0.1:0']) {
  test(`an agent at ${endpoint ?? 'a socket'} stops, restarts at the same place, and is closed for good`, async (context) => {
    const agent = await openAgent(context, endpoint === undefined ? {} : { endpoint })
    const stream = new RawClient(context, agent).x509Svids()
    await stream.next()
    const address = agent.endpoint
    await agent.stop()
    await assert.rejects(stream.next(), { code: 'UNAVAILABLE' })
    await assert.rejects(new RawClient(context, agent).x509Svids().next(), { code: 'UNAVAILABLE' })
    await agent.start()
    await agent.start()
    assert.equal(agent.endpoint, address)
    await new RawClient(context, agent).x509Svids().next()
    await agent.close()
    await assert.rejects(agent.start(), { code: 'source_closed' })
  })
}

test('the default socket is private and leaves nothing behind', async (context) => {
  const agent = await openAgent(context)
  const path = new URL(agent.endpoint).pathname
  assert.equal(statSync(path).mode & 0o777, 0o600)
  assert.equal(statSync(dirname(path)).mode & 0o777, 0o700)
  await agent.close()
  await agent.close()
  assert.equal(existsSync(dirname(path)), false)
})

test('a process exits by itself after its agent is closed', () => {
  const script = `
    import { startAgent } from '@countersign/testkit/workload-api'
    const entries = [{ spiffeId: '${billing}', ttlSeconds: 60 }]
    const agent = await startAgent({ trustDomain: 'saas.example', entries, faults: [{ name: 'slow', delayMs: 60_000 }] })
    await agent.rotate()
    await agent.fail('no_socket', { delayMs: 60_000 })
    await agent.close()`
  // A leftover timer or socket would make it run into this timeout.
  execFileSync(process.execPath, ['--input-type=module', '-e', script], { cwd: import.meta.dirname, timeout: 30_000 })
})

test('trust domains have separate bundles, and federated ones follow their rotation', async (context) => {
  const [own, partner, next, far] = await Promise.all([
    createAuthority('saas.example'),
    createAuthority('partner.example'),
    createAuthority('partner.example'),
    createAuthority('far.example'),
  ])
  const entries = [
    { spiffeId: billing, federatesWith: ['partner.example', far] },
    { spiffeId: 'spiffe://partner.example/client' },
  ]
  const agent = await openAgent(context, { authorities: [own, partner], entries })
  const client = new RawClient(context, agent)
  const stream = client.x509Svids()
  const first = await stream.next()
  assert.deepEqual(
    first.svids.map(({ bundle }) => bundle),
    [own.certificateDer, partner.certificateDer],
  )
  const federated = { 'spiffe://partner.example': partner.certificateDer, 'spiffe://far.example': far.certificateDer }
  assert.deepEqual(first.federated_bundles, federated)
  assert.deepEqual((await client.x509Bundles().next()).bundles, {
    'spiffe://saas.example': own.certificateDer,
    ...federated,
  })
  const { bundles } = await client.jwtBundles().next()
  assert.deepEqual(Object.keys(bundles).toSorted(), ['spiffe://partner.example', 'spiffe://saas.example'])

  await agent.setAuthority(next, { overlapSeconds: 0 })
  const second = await stream.next()
  assert.deepEqual(second.federated_bundles['spiffe://partner.example'], next.certificateDer)
  assert.equal(leafOf(second).serialNumber, leafOf(first).serialNumber)
})

test('replaces only a socket that a dead server left', async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-test-'))
  context.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'agent.sock')
  const endpoint = `unix://${path}`
  const first = await openAgent(context, { endpoint })
  await assert.rejects(openAgent(context, { endpoint }), { code: 'option_invalid' })
  await new RawClient(context, first).x509Svids().next()
  await first.close()

  leaveStaleSocket(path)
  const second = await openAgent(context, { endpoint })
  await new RawClient(context, second).x509Svids().next()
  await second.close()
  assert.equal(existsSync(path), false)

  writeFileSync(path, 'precious')
  await assert.rejects(openAgent(context, { endpoint }), { code: 'option_invalid' })
  assert.ok(existsSync(path))
})

/** As a killed process leaves it: present, without a listener. */
function leaveStaleSocket(path: string): void {
  const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
  assert.throws(() => execFileSync(process.execPath, ['-e', script], { stdio: 'ignore' }))
  assert.ok(existsSync(path))
}

function leafOf({ svids }: X509SvidResponse): X509Certificate {
  assert.ok(svids[0])
  return new X509Certificate(svids[0].x509_svid)
}

function isIssuedBy(leaf: X509Certificate, authority: Authority): boolean {
  return leaf.verify(new X509Certificate(authority.certificatePem).publicKey)
}

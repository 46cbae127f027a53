import assert from 'node:assert/strict'
import { setTimeout as wait } from 'node:timers/promises'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { createFetch } from '@countersign/client'
import {
  authenticated,
  type CountersignEvent,
  createGuard,
  fileSource,
  staticSource,
  type X509Source,
} from '@countersign/core'
import { isDenial } from '@countersign/core/adapter'
import { type Running, serve, type TestSvid } from '@countersign/testkit'
import type { RegistrationEntry } from '@countersign/testkit/workload-api'
import { keepCalling } from '../adapters/keep-calling.ts'
import { isLong, scale } from '../support/long.ts'
import { billing, coreApi, openSource, startBillingAgent } from './agent-service.ts'
import { friend, issuer, type Partner, partners, trustDomains } from './hostile-partners.ts'
import { admitNow } from '../support/admit-now.ts'

const friendApi = 'spiffe://friend.example/ns/production/sa/api'
const rules = [{ path: '/**', allow: authenticated() }]

/** A guarded server on this source, with everything that it and the calls to it report. */
async function serveAll(
  context: TestContext,
  source: X509Source,
): Promise<{ readonly running: Running; readonly events: readonly CountersignEvent[] }> {
  const events: CountersignEvent[] = []
  const guard = createGuard({ source, trustDomains, rules, log: (event) => void events.push(event) })
  const running = await serve(guard, (request, response) => {
    const verdict = admitNow(guard, request)
    response.writeHead(isDenial(verdict) ? 403 : 200).end(isDenial(verdict) ? '' : verdict.name)
  })
  context.after(() => running.close())
  return { running, events }
}

/** The reports by trust domain. */
function toldOf(events: readonly CountersignEvent[]): Readonly<Record<string, readonly unknown[]>> {
  const told: Record<string, readonly unknown[]> = {}
  for (const event of events) {
    // SVIDs of five seconds are close to expiry while a machine is busy.
    if (event.type !== 'source' || event.outcome === 'expiring') continue
    const { trustDomain = 'ours', code, outcome } = event
    told[trustDomain] = [...(told[trustDomain] ?? []), code ?? outcome]
  }
  return told
}

const expected = Object.fromEntries(
  partners.flatMap(({ trustDomain, code }) => (code === undefined ? [] : [[trustDomain, [code]]])),
)

/** The accepted callers: our own, and those of every partner whose bundle is valid. */
async function checkCallers({ running }: { readonly running: Running }): Promise<void> {
  const callers = [
    [coreApi, await issuer.issue(coreApi)],
    ...(await Promise.all(partners.map(issueCaller))).flat(),
  ] as const
  for (const [spiffeId, svid] of callers) {
    await using peer = running.as(svid)
    const response = await peer.fetch('/')
    assert.deepEqual([response.status, await response.text()], [200, spiffeId])
  }
}

async function issueCaller({ trustDomain, authority }: Partner): Promise<readonly (readonly [string, TestSvid])[]> {
  const spiffeId = `spiffe://${trustDomain}/ns/production/sa/api`
  // Its authority has the key identifier of ours, which is not that of its key.
  return authority === undefined ? [] : [[spiffeId, await authority.issue(spiffeId, { keyIdentifiers: false })]]
}

const pemOf = (der: Uint8Array): string =>
  der.length === 0
    ? ''
    : `-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString('base64')}\n-----END CERTIFICATE-----\n`

test(`seven hostile partners at once fail no call of ours while SVIDs rotate, and each is reported once`, async (context) => {
  const ttlSeconds = scale(600, 5)
  const entriesWith = (bundle: string): readonly RegistrationEntry[] => {
    const federatesWith = [
      { trustDomain: 'friend.example', bundlePem: bundle },
      ...partners.map((partner) => ({ trustDomain: partner.trustDomain, bundlePem: pemOf(partner.bundle) })),
    ]
    return [
      { spiffeId: billing, hint: 'server', ttlSeconds, federatesWith },
      { spiffeId: coreApi, hint: 'client', ttlSeconds, federatesWith },
    ]
  }
  const agent = await startBillingAgent(context, { authority: issuer, entries: entriesWith(friend.bundlePem) })
  const source = await openSource(context, agent, { hint: 'server' })
  const caller = await openSource(context, agent, { hint: 'client' })
  const { running, events } = await serveAll(context, source)
  const fetch = createFetch(caller, { servers: [billing, 'spiffe://weak.example/**'] })
  context.after(() => fetch.close())
  await using kept = keepCalling(() => fetch(running.url))
  // Each on a separate connection.
  await using fresh = keepCalling(async () => {
    await using peer = running.as(await issuer.issue(coreApi))
    return await peer.fetch('/')
  })
  for (let round = 0; round < scale(4, 12); round += 1) {
    await Promise.all([kept.next(), fresh.next()])
    if (isLong) await wait(2_500)
    else await agent.rotate()
  }
  await checkCallers({ running })

  const theirs = running.as(await friend.issue(friendApi))
  const socket = await theirs.connect()
  socket.resume()
  assert.equal((await theirs.fetch('/')).status, 200)
  const before = performance.now()
  await agent.setEntries(entriesWith(''))
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve))
  const took = performance.now() - before
  if (isLong) assert.ok(took < 1000, `found ${took} ms until the callers of a partner that revokes everything are cut`)
  await assert.rejects(theirs.fetch('/'))
  await Promise.all([kept.next(), fresh.next()])

  for (const statuses of [await kept.stop(), await fresh.stop()]) {
    assert.ok(statuses.length > 4)
    assert.deepEqual(
      statuses.filter((status) => status !== 200),
      [],
    )
  }
  const { ours: _, ...told } = toldOf(events)
  assert.deepEqual(told, { ...expected, 'friend.example': ['bundle_empty'] })
})

test('seven hostile partners in files fail no call of ours while the files rotate, and each is reported once', async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-partners-'))
  context.after(() => rmSync(folder, { recursive: true, force: true }))
  const pathOf = (name: string): string => join(folder, name)
  mkdirSync(pathOf('bundles'))
  const rotate = async (): Promise<string> => {
    const svid = await issuer.issue(billing)
    writeFileSync(pathOf('tls.key'), svid.keyPem, { mode: 0o600 })
    writeFileSync(pathOf('tls.crt'), svid.certificatePem)
    return svid.serialNumber
  }
  await rotate()
  writeFileSync(pathOf('bundles/saas.example.pem'), issuer.bundlePem)
  for (const { trustDomain, bundle } of partners) {
    const content = bundle.length === 0 ? '{"keys":[]}' : bundle
    writeFileSync(pathOf(`bundles/${trustDomain}.${bundle.length === 0 ? 'json' : 'pem'}`), content)
  }
  const files = { key: pathOf('tls.key'), cert: pathOf('tls.crt'), bundles: pathOf('bundles'), pollMs: 1000 }
  const source = await fileSource(files)
  context.after(() => source.close())
  const { running, events } = await serveAll(context, source)
  await using fresh = keepCalling(async () => {
    await using peer = running.as(await issuer.issue(coreApi))
    return await peer.fetch('/')
  })
  for (let round = 0; round < scale(2, 10); round += 1) {
    const serialNumber = await rotate()
    while (source.current.svid.serialNumber !== serialNumber) await fresh.next()
  }
  await checkCallers({ running })
  const statuses = await fresh.stop()
  assert.deepEqual(
    statuses.filter((status) => status !== 200),
    [],
  )
  const { ours: _, 'friend.example': __, ...told } = toldOf(events)
  assert.deepEqual(told, expected)
})

test('seven hostile partners in a static source do not prevent a start, and each is reported once', async (context) => {
  const svid = await issuer.issue(billing)
  const bundles = {
    ...Object.fromEntries(
      partners.map(({ trustDomain, bundle }) => [trustDomain, bundle.length === 0 ? '{"keys":[]}' : bundle]),
    ),
    'saas.example': issuer.bundlePem,
  }
  const source = staticSource({ key: svid.keyPem, cert: svid.certificatePem, bundles })
  context.after(() => source.close())
  const { running, events } = await serveAll(context, source)
  await checkCallers({ running })
  const { ours: _, 'friend.example': __, ...told } = toldOf(events)
  assert.deepEqual(told, expected)
})

import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { test } from 'node:test'
import {
  authenticated,
  type CountersignEvent,
  createGuard,
  createMaterial,
  createReplaceableSource,
  type X509Material,
} from '@countersign/core'
import { type Authority, createAuthority, serve, TestKey } from '@countersign/testkit'

const ours = 'spiffe://saas.example/ns/production/sa/billing'

// Not part of our path, so our own checks ignore it; but OpenSSL presents no authority with 512 bits.
async function createWeak(authority: Authority): Promise<string> {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 512 })
  const weak = await authority.intermediate({ name: 'weak', key: new TestKey('RSA-2048', privateKey, publicKey) })
  return weak.certificatePem
}

async function createOwn(authority: Authority, further = ''): Promise<X509Material> {
  const { keyPem, certificatePem } = await authority.issue(ours)
  const bundles = { 'saas.example': authority.bundlePem }
  return createMaterial({ key: keyPem, cert: certificatePem + further, bundles })
}

test('refuses an update that no server can present, keeps the previous material, and accepts the next update', async (context) => {
  const authority = await createAuthority('saas.example')
  const source = createReplaceableSource(await createOwn(authority))
  const events: CountersignEvent[] = []
  const rules = [{ path: '/**', allow: authenticated() }]
  const guard = createGuard({ source, rules, log: (event) => events.push(event) })
  const running = await serve(guard, (_request, response) => response.end())
  context.after(() => running.close())
  const uncaught: unknown[] = []
  const note = (error: unknown): void => void uncaught.push(error)
  process.on('uncaughtException', note)
  context.after(() => process.off('uncaughtException', note))
  const peer = running.as(await authority.issue('spiffe://saas.example/ns/production/sa/core-api'))

  source.replace(await createOwn(authority, await createWeak(authority)))
  assert.equal((await peer.fetch('/')).status, 200)
  assert.deepEqual(uncaught, [])
  assert.deepEqual(
    events.flatMap((event) => (event.type === 'source' ? [`${event.outcome} ${event.code}`] : [])),
    ['refused update_refused'],
  )

  const other = await createAuthority('saas.example')
  const socket = await peer.connect()
  const closed = once(socket, 'close')
  source.replace(await createOwn(other))
  await closed
  const next = running.as(await other.issue('spiffe://saas.example/ns/production/sa/core-api'))
  assert.equal((await next.fetch('/')).status, 200)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allOf, authenticated, type CountersignEvent, createGuard, permitAll, provenBy } from '@countersign/core'
import { countersign } from '@countersign/express'
import { staticJwtBundles } from '@countersign/spiffe/jwt'
import { createAuthority, type Peer, serve } from '@countersign/testkit'
import express from 'express'

/** What clients without a certificate can do to the log and to the process with names that they choose. */

const authority = await createAuthority('saas.example')
const source = await authority.source('spiffe://saas.example/ns/production/sa/billing')
const callerId = 'spiffe://saas.example/ns/production/sa/core-api'
const until = new Date(Date.now() + 86_400_000).toISOString()

function forge(count: number): string {
  const [header, claims] = authority
    .issueJwt(callerId, { audience: 'billing', claims: { jti: String(count) } })
    .token.split('.')
  return `${header}.${claims}.${Buffer.alloc(64, count).toString('base64url')}`
}

test('an invalid token names no principal, and 100 of them are a line and a count', async () => {
  const events: CountersignEvent[] = []
  const guard = createGuard({
    source,
    rules: [{ path: '/**', allow: allOf(provenBy('jwt-svid'), authenticated()) }],
    credentials: {
      jwtSvid: {
        audiences: ['billing'],
        withoutCertificate: true,
        bundles: staticJwtBundles({ 'saas.example': authority.jwtBundle }),
      },
    },
    log: (event) => void events.push(event),
  })
  const app = express().use(countersign(guard))
  const running = await serve(guard, app)
  const peer = running.as(null)
  for (let count = 0; count < 100; count += 1) {
    assert.equal(await statusOf(peer, forge(count)), 401)
  }
  peer.close()
  await running.close()

  const denials = events.filter((event) => event.type === 'denial')
  assert.deepEqual(
    denials.map(({ repeated }) => repeated),
    [undefined, 99],
  )
  for (const { principal, reason, detail } of denials) {
    assert.equal(principal, undefined)
    assert.equal(reason, 'token_invalid')
    assert.ok(detail.endsWith(`; the claimed name is ${callerId}`), detail)
  }
})

test('the function name of permissive mode may return a promise that is rejected, and the caller is anonymous', async () => {
  const options = { until }
  Reflect.set(options, 'name', () => Promise.reject(new Error('the lookup failed')))
  const guard = createGuard({
    source,
    rules: [{ path: '/**', allow: permitAll() }],
    permissive: options,
    log: () => undefined,
  })
  const app = express().use(countersign(guard))
  app.get('/', (_request, response) => void response.end('served'))
  const running = await serve(guard, app)
  const peer = running.as(null)

  // An unhandled rejection would fail this test, and end a service.
  assert.equal((await peer.fetch('/')).status, 200)
  assert.equal(guard.readiness()?.entries[0]?.caller, 'anonymous')
  peer.close()
  await running.close()
})

async function statusOf(peer: Peer, token: string): Promise<number> {
  const response = await peer.fetch('/', { headers: { authorization: `Bearer ${token}` } })
  await response.arrayBuffer()
  return response.status
}

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { authenticated, createGuard, type Guard } from '@countersign/core'
import countersign from '@countersign/fastify'
import { createAuthority, serve } from '@countersign/testkit'
import express from 'express'
import Fastify from 'fastify'
import { refusal } from '../adapters/refusal.ts'

const authority = await createAuthority('saas.example')
const source = await authority.source('spiffe://saas.example/ns/production/sa/billing')

describe('serve fails', () => {
  test('for a Fastify instance without the plugin, or with that of another guard', async () => {
    const [guard, other] = [create(), create()]
    const unguarded = refusal('registration_invalid', /not behind this guard.*app\.register\(countersign/)
    await assert.rejects(serve(guard, Fastify({ https: guard.tlsOptions() })), unguarded)
    const app = Fastify({ https: other.tlsOptions() })
    await app.register(countersign, { guard: other })
    await assert.rejects(serve(guard, app), unguarded)
    assert.equal(app.server.listening, false)
  })

  test('for anything but a guard and an application, and says what it found', async () => {
    const guard = create()
    const app = express()
    for (const [values, named] of [
      [[app], /an application instead of the guard/],
      [[app, guard], /an application instead of the guard/],
      [[Fastify()], /an application instead of the guard/],
      [[guard], /found undefined.*serve\(guard, app\)/],
      [[guard, guard], /a second guard/],
      [
        [
          guard,
          class Application {
            readonly port = 1
          },
        ],
        /class Application/,
      ],
      [[guard, null], /found null/],
      [[guard, Promise.resolve(Fastify())], /a promise/],
      [[Promise.resolve(guard), app], /a promise/],
      [[{ guard }, app], /an object/],
      [[], /found undefined/],
    ] as const) {
      await assert.rejects(
        async () => {
          await Promise.resolve<unknown>(Reflect.apply(serve, undefined, values))
        },
        refusal('option_invalid', named),
      )
    }
  })
})

test('serve waits for a plugin that was registered without await', async () => {
  const guard = create()
  const app = Fastify({ https: guard.tlsOptions() })
  app.register(countersign, { guard })
  app.register(async (child) => void child.get('/x', () => 'handled'))
  await using running = await serve(guard, app)
  const caller = await authority.issue('spiffe://saas.example/ns/production/sa/core-api')
  assert.equal((await running.as(caller).fetch('/x')).status, 200)
})

test('serve applies the rules to an Express application without the middleware', async () => {
  const rules = [{ path: '/open', allow: authenticated() }]
  const guard = createGuard({ source, rules, log: () => undefined })
  const app = express()
  app.get('/open', (_request, response) => void response.send('handled'))
  app.get('/closed', () => assert.fail('the handler ran'))
  await using running = await serve(guard, app)
  const peer = running.as(await authority.issue('spiffe://saas.example/ns/production/sa/core-api'))
  assert.equal((await peer.fetch('/open')).status, 200)
  assert.equal((await peer.fetch('/closed')).status, 403)
})

function create(): Guard {
  return createGuard({ source, rules: [{ path: '/**', allow: authenticated() }], log: () => undefined })
}

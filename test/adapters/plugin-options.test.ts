import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { authenticated, createGuard, hasAuthority } from '@countersign/core'
import countersign, { allow } from '@countersign/fastify'
import { createAuthority } from '@countersign/testkit'
import Fastify, { type FastifyInstance } from 'fastify'
import { billing, coreApi } from './frameworks.ts'
import { refusal } from './refusal.ts'

/** Options of app.register(): Fastify passes them to the plugin and does not apply them to its routes. */

const authority = await createAuthority('saas.example')
const guard = createGuard({
  source: await authority.source(billing),
  rules: [{ path: '/**', allow: authenticated() }],
  log: () => undefined,
})
const demand = hasAuthority('NOBODY')
const withAllow: object = { allow: [coreApi] }

/** Options that would restrict a route, but have no effect here. */
const restricting: Readonly<Record<string, readonly [options: object, named: RegExp]>> = {
  'allow(…) as a hook': [{ onRequest: allow(demand) }, /allow\(…\) as onRequest/],
  'allow(…) among hooks': [{ preHandler: [() => undefined, allow(demand)] }, /allow\(…\) as preHandler/],
  'allow(…) under another name': [{ guardedBy: allow(demand) }, /allow\(…\) as guardedBy/],
  'allow, which was not called': [{ onRequest: allow }, /allow, which was not called, as onRequest/],
  'an allow': [{ allow: [coreApi] }, /found allow/],
  'an allow in config': [{ config: { allow: [coreApi] } }, /found config\.allow/],
  'a misspelt allow in config': [{ config: { allows: [coreApi] } }, /found config\.allows/],
  'a misspelt allow': [{ allowedCallers: [coreApi] }, /found allowedCallers/],
  'a requirement': [{ authorize: demand }, /requirement in authorize/],
  'a requirement as config': [{ config: demand }, /found config\.hasAuthority/],
  'a requirement that was spread into the options': [{ ...demand }, /hasAuthority/],
  'a list of callers': [{ authorize: [coreApi] }, /requirement in authorize/],
  'an allow one level deeper': [{ routes: { allow: [coreApi] } }, /requirement in routes\.allow/],
}

describe('a Fastify application does not start if the options of a plugin contain', () => {
  for (const [name, [options, named]] of Object.entries(restricting)) {
    test(name, async () => {
      const app = await create()
      app.register(async (child) => void child.get('/x', () => 'handled'), { prefix: '/p', ...options })
      await assert.rejects(async () => app.ready(), refusal('option_unknown', named))
    })
  }

  test('an allow in a nested plugin', async () => {
    const app = await create()
    app.register(async (child) => {
      child.register(async (inner) => void inner.get('/x', () => 'handled'), { prefix: '/inner', ...withAllow })
    })
    await assert.rejects(async () => app.ready(), refusal('option_unknown', /'\/inner\/'.*addHook\('onRequest', allow/))
  })
})

test('accepts the options of other plugins and of Fastify itself', async () => {
  const app = await create()
  const plugin = async (child: FastifyInstance): Promise<void> => void child.get('/x', () => 'handled')
  app.register(plugin, {
    prefix: '/p',
    logLevel: 'silent',
    allowList: ['127.0.0.1'],
    allowedHosts: ['api.example'],
    configs: { retries: 3 },
    config: { retries: 3, session: { authenticated: true } },
    onRequest: () => undefined,
    cors: { allow: ['https://app.example'] },
  })
  app.register(plugin)
  assert.equal((await authority.as(coreApi).inject(app, '/p/x')).statusCode, 200)
})

async function create(): Promise<FastifyInstance> {
  const app = Fastify({ https: guard.tlsOptions() })
  await app.register(countersign, { guard })
  return app
}

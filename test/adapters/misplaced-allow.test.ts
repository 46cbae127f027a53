import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  anyOf,
  authenticated,
  callers,
  createGuard,
  custom,
  hasAuthority,
  inNamespace,
  type Requirement,
} from '@countersign/core'
import countersign from '@countersign/fastify'
import { createAuthority } from '@countersign/testkit'
import websocket from '@fastify/websocket'
import Fastify, { type FastifyInstance, type RouteOptions } from 'fastify'
import { billing, coreApi } from './frameworks.ts'
import { refusal } from './refusal.ts'

const authority = await createAuthority('saas.example')
const guard = createGuard({
  source: await authority.source(billing),
  rules: [{ path: '/**', allow: authenticated() }],
  log: () => undefined,
})

const misspelt = `
  allows allowed allowing allowance Allow ALLOW alow alllow allo allw llow allwo alolw lalow aloow allpw xallow alloww
  al-low allow_ Alowed ALLOWS allowCallers allowedCallers allow_callers allowOnlyServiceAccounts allowedTrustDomains
  hasAuthority inNamespace serviceAccounts inTrustDomain hasAnyAuthority hasAllAuthorities
`
  .trim()
  .split(/\s+/)

const ofOthers: Readonly<Record<string, unknown>> = {
  allowList: ['127.0.0.1'],
  allowedHosts: ['api.example'],
  allowedOrigins: ['https://app.example'],
  allowedMethods: ['GET'],
  allowHeaders: ['x-tenant'],
  allowAnonymous: true,
  rateLimit: { max: 5, allowList: ['spiffe://saas.example/ns/production/sa/core-api'] },
  cors: { allow: ['https://app.example'] },
  flow: 'checkout',
  slow: true,
  low: 1,
  all: true,
  alias: 'x',
  authorize: ['admin'],
  authenticated: true,
  custom: { name: 'x' },
  session: { authenticated: true },
  check: { custom: { name: 'x', test: () => true } },
  conf: { retries: 3 },
  callers: 3,
}

const requirements: Readonly<Record<string, object>> = {
  'a requirement': hasAuthority('SERVICE_core-api'),
  'a combined one': anyOf(inNamespace('production'), callers(coreApi)),
  'authenticated()': authenticated(),
  'custom()': custom('never', () => false),
  'a requirement as data': { hasAuthority: 'SERVICE_core-api' },
  'a list of callers': [coreApi],
  'a list of requirements': [inNamespace('production')],
}

describe('a Fastify route does not start', () => {
  for (const key of misspelt) {
    test(`with ${key} in its config or next to it`, async () => {
      await refuses({ config: { [key]: ['core-api'] } }, new RegExp(`GET /x.*config\\.${key}.*config: { allow`))
      await refuses({ [key]: ['core-api'] }, new RegExp(`GET /x.*${key}`))
    })
  }

  test('with allow next to its config', async () => {
    await refuses({ allow: [coreApi] }, /found allow, .*config: { allow/)
    await refuses({ allow: undefined, config: { allow: [coreApi] } }, /found allow/)
  })

  for (const [name, value] of Object.entries(requirements)) {
    test(`with ${name} in the wrong place`, async () => {
      if (!Array.isArray(value) && name !== 'authenticated()') {
        await refuses({ ...value }, /found/)
        await refuses({ config: { rateLimit: {}, ...value } }, /found.*config\./)
      }
      await refuses({ config: { authorize: value } }, /config\.authorize/)
      await refuses({ authorize: value }, /in authorize/)
      await refuses({ config: value }, /config/)
      await refuses({ schema: { allow: value } }, /schema\.allow/)
      await refuses({ options: { alow: value } }, /options\.alow/)
      await refuses({ config: { config: { allow: value } } }, /config\.config\.allow/)
    })
  }

  for (const key of ['Config', 'confg', 'configs', 'cofnig', 'CONFIG']) {
    test(`with ${key} instead of config`, async () => {
      await refuses({ [key]: { rateLimit: {} } }, new RegExp(`'${key}'.*'config'`))
    })
  }

  test('whichever function registers it, and in a child instance', async () => {
    const options = withoutTypes({ config: { allows: [coreApi] } })
    const refused = refusal('option_unknown', /config\.allows/)
    const app = await create()
    assert.throws(() => app.get('/a', options, answer), refused)
    assert.throws(() => app.post('/a', { ...options, handler: answer }), refused)
    assert.throws(() => app.all('/a', options, answer), refused)
    assert.throws(() => app.head('/a', options, answer), refused)
    assert.throws(() => app.options('/a', options, answer), refused)
    assert.throws(() => app.route({ ...options, method: ['PUT', 'PATCH'], url: '/a', handler: answer }), refused)
    app.register(async (child) => void child.get('/a', options, answer), { prefix: '/child' })
    await assert.rejects(async () => app.ready(), refused)
  })

  test('if it is a WebSocket route', async () => {
    const app = await create()
    await app.register(websocket)
    const options = { ...withoutTypes({ config: { allows: [coreApi] } }), websocket: true as const }
    assert.throws(() => app.get('/ws', options, () => undefined), refusal('option_unknown', /config\.allows/))
  })

  test('if a later hook adds the misspelling', async () => {
    const app = await create()
    app.addHook('onRoute', (route) => void Object.assign(route.config ?? {}, { allows: [coreApi] }))
    app.get('/x', answer)
    await assert.rejects(async () => app.ready(), refusal('option_unknown', /config\.allows/))
  })
})

test('accepts options of other plugins, including those that begin with allow', async () => {
  const app = await create()
  app.get('/x', withoutTypes({ ...ofOthers, config: { ...ofOthers, allow: [coreApi] } }), answer)
  assert.equal((await authority.as(coreApi).inject(app, '/x')).statusCode, 200)
  assert.equal((await authority.as(billing).inject(app, '/x')).statusCode, 403)
})

test('the types reject the most likely misspellings', async () => {
  const app = await create()
  // Each of these must be a compile error, otherwise `tsc` reports an unused `@ts-expect-error`.
  // @ts-expect-error: a form of the word
  assert.throws(() => app.get('/a', { config: { allows: [coreApi] } }, answer))
  // @ts-expect-error: another
  assert.throws(() => app.route({ method: 'GET', url: '/a', config: { allowed: [coreApi] }, handler: answer }))
  // @ts-expect-error: a letter too few
  assert.throws(() => app.get('/a', { config: { alow: [coreApi] }, handler: answer }))
  // @ts-expect-error: a requirement in place of the object that holds it
  assert.throws(() => app.get('/a', { config: hasAuthority('SERVICE_core-api') }, answer))
  // @ts-expect-error: beside config
  assert.throws(() => app.get('/a', { allow: [coreApi] }, answer))
  const beside = { allow: [coreApi], schema: {} }
  // @ts-expect-error: beside config, where no literal shows it
  assert.throws(() => app.get('/a', beside, answer))
  const allow: Requirement = hasAuthority('SERVICE_core-api')
  app.get('/b', { config: { allow } }, answer)
  app.get('/c', { config: { allow: [coreApi] }, schema: {} }, answer)
})

async function create(): Promise<FastifyInstance> {
  const app = Fastify({ https: guard.tlsOptions() })
  await app.register(countersign, { guard })
  return app
}

async function refuses(options: object, named: RegExp): Promise<void> {
  const app = await create()
  const refused = refusal('option_unknown', named)
  assert.throws(() => app.get('/x', withoutTypes(options), answer), refused)
  assert.throws(() => app.route({ method: 'GET', url: '/x', handler: answer, ...withoutTypes(options) }), refused)
}

/** As an application without types would write it. */
function withoutTypes(options: object): Pick<RouteOptions, 'config'> {
  return options
}

function answer(): string {
  return 'handled'
}

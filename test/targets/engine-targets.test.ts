import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { before, describe, test } from 'node:test'
import expressEngine from '@fastify/express'
import middie from '@fastify/middie'
import { authenticated, type Guard, hasAuthority, type Rule } from '@countersign/core'
import { countersign } from '@countersign/fastify'
import { serve } from '@countersign/testkit'
import express, { type Express } from 'express'
import Fastify, { type FastifyInstance } from 'fastify'
import { assertNothingIsLost } from './agreement.ts'
import { requestText } from './raw-connection.ts'
import {
  connectAs,
  createQuietGuard,
  createCallers,
  protectedHandlers,
  withoutGuard,
  type Callers,
} from './guarded-targets.ts'

const admin = hasAuthority('SERVICE_admin-ui')
const rules: readonly Rule[] = [
  ...['/admin/**', '/secret', '/*/secret', '/m/*/secret'].map((path) => ({ path, allow: admin })),
  { path: '/**', allow: authenticated() },
]

/** The characters that `String.prototype.trim` removes, without most of a range that every parser treats alike. */
const whitespace = Array.from({ length: 0x1_00_00 }, (_, code) => String.fromCharCode(code)).filter(
  (character) => character.trim() === '' && !/[\u2001-\u2009]/.test(character),
)

/** Characters that the legacy `url.parse`, Express's fallback, treats specially. */
const ofLegacyParser = Array.from('"\'<>^`{|}\\@#?;%')

const characters = [...whitespace, ...ofLegacyParser, '\0', '\x7f', '\x85', 'é']

/** A character, or none, at positions where a parser that trims, escapes or cuts changes the path. */
const places: readonly ((spelled: string) => string)[] = [
  (spelled) => `/admin${spelled}`,
  (spelled) => `/admin${spelled}${spelled}`,
  (spelled) => `/admin${spelled}?x=1`,
  (spelled) => `/admin${spelled}/x`,
  (spelled) => `/${spelled}admin`,
  (spelled) => `/admin/${spelled}`,
  (spelled) => `/admin?x=${spelled}`,
  (spelled) => `/%61dmin${spelled}`,
  (spelled) => `/secret${spelled}`,
  (spelled) => `/t/secret${spelled}`,
  (spelled) => `/m/t/secret${spelled}`,
  (spelled) => `/%6d/t/secret${spelled}`,
  (spelled) => `/%6d/t/%73ecret${spelled}`,
  // An Express application takes the length of a mount path from an escaped copy, and cuts the decoded one.
  (spelled) => `/t${spelled}t/xsecret`,
  (spelled) => `/t${spelled}/xsecret`,
  (spelled) => `/t${spelled}${spelled}/xxxsecret`,
  (spelled) => `/t${spelled}/xsecret?q=%20x`,
  (spelled) => `/t${spelled}t?/secret?%20x`,
  (spelled) => `/t${spelled}t?/secret?%C2%A0x`,
  (spelled) => `/m/t${spelled}t/xsecret`,
  (spelled) => `/%6d/t${spelled}t/xsecret`,
  (spelled) => `/%6d/t${spelled}%20t/xxxsecret`,
  (spelled) => `/%6d/t${spelled}t%20t?//xsecret`,
]

const engines = ['@fastify/middie', '@fastify/express'] as const
type EngineName = (typeof engines)[number]

for (const engine of engines) {
  describe(`${engine}, registered before or after the plugin`, () => {
    let callers: Callers
    before(async () => {
      callers = await createCallers()
    })

    test('reaches no protected route through whitespace, quotes and other characters that parsers change', async () => {
      const guard = createQuietGuard(callers.source, rules)
      const later = createQuietGuard(callers.source, rules)
      await using isBefore = await serve(guard, await createApp(engine, guard, 'before'))
      await using isAfter = await serve(later, await createApp(engine, later, 'after'))
      await using unguarded = await serve(withoutGuard, await createApp(engine, guard, undefined))
      const open = connectAs(unguarded, callers.attacker)
      const shut = [connectAs(isBefore, callers.attacker), connectAs(isAfter, callers.attacker)]
      let reached = 0
      for (const target of new Set(characters.flatMap((each) => spell(each).flatMap((text) => place(text))))) {
        const request = requestText(`GET ${target} HTTP/1.1`)
        if (protectedHandlers.has((await open.send(request)).handler ?? '')) reached += 1
        for (const guarded of shut) {
          const { status, handler = '' } = await guarded.send(request)
          assert.ok(!protectedHandlers.has(handler), `${target}: ${status} ${handler}`)
        }
      }
      assert.ok(reached >= 100, `${reached} targets reached a protected handler without the guard`)
    })

    test('serves ordinary targets as it does without the guard', async () => {
      const guard = createQuietGuard(callers.source, rules)
      await using guarded = await serve(guard, await createApp(engine, guard, 'before'))
      await using unguarded = await serve(withoutGuard, await createApp(engine, guard, undefined))
      await assertNothingIsLost({ guarded, unguarded }, callers)
    })
  })
}

/** A character plain, if it can be sent, escaped, and escaped twice if a parser might trim it. */
function spell(character: string): readonly string[] {
  const escaped = [...Buffer.from(character)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')
  if (character.trim() === '') return [escaped, escaped.replaceAll('%', '%25')]
  return [...(/^[!-~]$/.test(character) ? [character] : []), escaped]
}

function place(spelled: string): readonly string[] {
  return places.map((each) => each(spelled))
}

async function createApp(
  engine: EngineName,
  guard: Guard,
  order: 'before' | 'after' | undefined,
): Promise<FastifyInstance> {
  const app: FastifyInstance = Fastify({ https: (order === undefined ? withoutGuard : guard).tlsOptions() })
  const register = (): PromiseLike<unknown> =>
    engine === '@fastify/middie' ? app.register(middie) : app.register(expressEngine)
  if (order !== 'after') await register()
  if (order !== undefined) await app.register(countersign, { guard })
  if (order === 'after') await register()
  const nested = createExpress()
  const run = (request: IncomingMessage, response: ServerResponse, next: () => void): void =>
    void Reflect.apply(nested, undefined, [request, response, next])
  app.use('/admin', (_request: IncomingMessage, response: ServerResponse) => answer(response, 'admin'))
  app.use('/m', run)
  app.use(run)
  app.get('/*', (_request, reply) => reply.header('x-handler', 'open').send('open'))
  return app
}

/** An Express application with a router that is mounted at a parameter. */
function createExpress(): Express {
  const tenant = express.Router().get('/secret', (_request, response) => answer(response, 'secret'))
  return express()
    .get('/secret', (_request, response) => answer(response, 'secret'))
    .use('/:tenant', tenant)
}

function answer(response: ServerResponse, name: string): void {
  response.setHeader('x-handler', name)
  response.end(name)
}

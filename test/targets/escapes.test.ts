import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { authenticated, type Guard, hasAuthority, type Rule } from '@countersign/core'
import { countersign as countersignExpress } from '@countersign/express'
import { countersign } from '@countersign/fastify'
import { type Running, serve } from '@countersign/testkit'
import express from 'express'
import Fastify from 'fastify'
import { requestText } from './raw-connection.ts'
import { connectAs, createQuietGuard, createCallers, type Callers, withoutGuard } from './guarded-targets.ts'

/** Every character that a rule may contain and that can be sent plain or escaped, and one that must be escaped. */
const characters = Array.from("@$&+,:=!'()~-_.aZ0é")
const admin = hasAuthority('SERVICE_admin-ui')

/** Which of two handlers a target reaches: `own` is a route with a literal, `any` the parameter next to it. */
const handlers = { own: (letter: string) => `/own/m${letter}e`, any: '/own/:id' } as const

/** Rules of which the attacker meets one; both orders of strictness. */
const ruleSets: ReadonlyMap<'own' | 'any', readonly Rule[]> = new Map([
  ['own', [...characters.map((each) => ({ path: handlers.own(each), allow: authenticated() })), rule('/**', admin)]],
  ['any', [...characters.map((each) => ({ path: handlers.own(each), allow: admin })), rule('/**', authenticated())]],
])

interface Framework {
  readonly name: string
  readonly serve: (guard: Guard, isGuarded: boolean) => Promise<Running>
}

const frameworks: readonly Framework[] = [
  { name: 'Fastify', serve: (guard, isGuarded) => serveFastify(guard, isGuarded, {}) },
  {
    name: 'Fastify that ignores case',
    serve: (guard, isGuarded) => serveFastify(guard, isGuarded, { caseSensitive: false }),
  },
  { name: 'Express', serve: (guard, isGuarded) => serveExpress(guard, isGuarded, false) },
  { name: 'Express that is case sensitive', serve: (guard, isGuarded) => serveExpress(guard, isGuarded, true) },
]

for (const framework of frameworks) {
  describe(`${framework.name}, for each character plain, escaped, and escaped twice`, () => {
    let callers: Callers
    before(async () => {
      callers = await createCallers()
    })

    for (const [mine, rules] of ruleSets) {
      test(`reaches only handlers that the caller may reach, where the caller may reach ${mine}`, async () => {
        const guard = createQuietGuard(callers.source, rules)
        await using guarded = await framework.serve(guard, true)
        await using unguarded = await framework.serve(guard, false)
        const open = connectAs(unguarded, callers.attacker)
        const shut = connectAs(guarded, callers.attacker)
        const entitled = connectAs(guarded, callers.entitled)
        let reached = 0
        for (const target of characters.flatMap(spell)) {
          const request = requestText(`GET ${target} HTTP/1.1`)
          const without = await open.send(request)
          const within = await shut.send(request)
          const what = `${target}: ${without.status} ${without.handler}, guarded ${within.status} ${within.handler}`
          if (without.handler !== undefined && without.handler !== mine) {
            reached += 1
            assert.equal(within.status, 403, what)
          }
          // A caller that may reach both loses nothing.
          const { status, handler } = await entitled.send(request)
          assert.deepEqual([status, handler], [without.status, without.handler], what)
        }
        assert.ok(reached >= 18, `${reached} targets reached a handler past their rule`)
      })
    }

    test('does not affect requests if the rules do not distinguish the forms', async () => {
      const guard = createQuietGuard(callers.source, [rule('/own/*', authenticated())])
      await using guarded = await framework.serve(guard, true)
      const caller = connectAs(guarded, callers.attacker)
      for (const target of [...characters.flatMap(spell), '/own/50%25', '/own/%7Ejoe', '/own/%41%2D', '/own/a%20b']) {
        assert.equal((await caller.send(requestText(`GET ${target} HTTP/1.1`))).status, 200, target)
      }
    })
  })
}

/** The target of the literal route in every spelling that decodes to it, and some that decode to it twice. */
function spell(character: string): readonly string[] {
  const bytes = [...Buffer.from(character)].map((byte) => byte.toString(16).padStart(2, '0'))
  const upper = bytes.map((byte) => `%${byte.toUpperCase()}`).join('')
  const lower = bytes.map((byte) => `%${byte}`).join('')
  const literal = /^[!-~]$/.test(character) ? [character] : []
  const twice = character === '.' ? [] : [upper.replaceAll('%', '%25'), lower.replaceAll('%', '%25')]
  return [...literal, upper, lower, ...twice].map((each) => `/own/m${each}e`)
}

async function serveFastify(guard: Guard, isGuarded: boolean, routerOptions: object): Promise<Running> {
  const app = Fastify({ https: (isGuarded ? guard : withoutGuard).tlsOptions(), routerOptions })
  if (isGuarded) await app.register(countersign, { guard })
  // Two colons are one; and a router that ignores case can only distinguish one of two letters.
  for (const each of characters)
    app.get(handlers.own(each).replace(':', '::'), (_request, reply) => answer(reply, 'own'))
  app.get(handlers.any, (_request, reply) => answer(reply, 'any'))
  return serve(isGuarded ? guard : withoutGuard, app)
}

function answer(
  reply: { header(name: string, value: string): { send(body: string): unknown } },
  name: string,
): unknown {
  return reply.header('x-handler', name).send(name)
}

function serveExpress(guard: Guard, isGuarded: boolean, isSensitive: boolean): Promise<Running> {
  const app = express().set('case sensitive routing', isSensitive)
  if (isGuarded) app.use(countersignExpress(guard))
  for (const each of characters) {
    app.get(handlers.own(each).replace(/[:+()!]/, String.raw`\$&`), (_request, response) => {
      response.set('x-handler', 'own').send('own')
    })
  }
  app.get(handlers.any, (_request, response) => void response.set('x-handler', 'any').send('any'))
  return serve(isGuarded ? guard : withoutGuard, app)
}

function rule(path: string, allow: Rule['allow']): Rule {
  return { path, allow }
}

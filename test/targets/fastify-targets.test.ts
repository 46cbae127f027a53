import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { countersign } from '@countersign/fastify'
import { serve } from '@countersign/testkit'
import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import type { Guard } from '@countersign/core'
import { assertNothingGetsPast, assertNothingIsLost } from './agreement.ts'
import { createQuietGuard, createCallers, withoutGuard, type Callers } from './guarded-targets.ts'

interface RouterOptions {
  readonly caseSensitive?: boolean
  readonly ignoreTrailingSlash?: boolean
  readonly ignoreDuplicateSlashes?: boolean
  // Fastify's types only have it at the top level.
  readonly useSemicolonDelimiter?: boolean
}

describe('a Fastify application', { concurrency: true }, () => {
  let callers: Callers
  before(async () => {
    callers = await createCallers()
  })

  const tolerant = {
    caseSensitive: false,
    ignoreTrailingSlash: true,
    ignoreDuplicateSlashes: true,
    useSemicolonDelimiter: true,
  }
  const options: readonly RouterOptions[] = [
    {},
    { caseSensitive: false },
    { ignoreTrailingSlash: true },
    { ignoreDuplicateSlashes: true },
    { useSemicolonDelimiter: true },
    tolerant,
  ]
  for (const routerOptions of options) {
    test(`with ${JSON.stringify(routerOptions)} lets no request past its guard and blocks none by mistake`, async () => {
      const guard = createQuietGuard(callers.source)
      await using guarded = await serve(guard, await createApp(guard, routerOptions, true))
      await using unguarded = await serve(withoutGuard, await createApp(guard, routerOptions, false))
      assert.ok((await assertNothingGetsPast({ guarded, unguarded }, callers)) >= 10)
      await assertNothingIsLost({ guarded, unguarded }, callers)
    })
  }
})

async function createApp(guard: Guard, routerOptions: RouterOptions, isGuarded: boolean) {
  const app = Fastify({ https: (isGuarded ? guard : withoutGuard).tlsOptions(), routerOptions })
  if (isGuarded) await app.register(countersign, { guard })
  await app.register(
    async (child) => {
      child.all('/secret', answer('secret'))
      child.get('/', answer('open'))
    },
    { prefix: '/api' },
  )
  app.all('/admin', answer('admin'))
  app.all('/admin/*', answer('admin'))
  app.get('/users/me', answer('me'))
  app.get('/users/:id', answer('open'))
  app.get('/files/:name', answer('file'))
  app.get('/public/*', answer('open'))
  app.get('/v1/items/:id', answer('open'))
  app.get('/', answer('open'))
  app.get('/:one', answer('open'))
  app.get('/:one/:two', answer('open'))
  return app
}

function answer(name: string): (request: FastifyRequest, reply: FastifyReply) => FastifyReply {
  return (_request, reply) => reply.header('x-handler', name).send(name)
}

import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { countersign } from '@countersign/express'
import { serve } from '@countersign/testkit'
import express, { type Express, type RequestHandler, type RouterOptions } from 'express'
import { assertNothingGetsPast, assertNothingIsLost } from './agreement.ts'
import { createQuietGuard, createCallers, type Twins, withoutGuard, type Callers } from './guarded-targets.ts'

describe('an Express application', { concurrency: true }, () => {
  let callers: Callers
  before(async () => {
    callers = await createCallers()
  })

  const applications = [false, true].flatMap((caseSensitive) =>
    [false, true].flatMap((strict) =>
      [undefined, {}, { caseSensitive: true }].map((nested) => ({ caseSensitive, strict, nested })),
    ),
  )
  for (const shape of applications) {
    test(`${describeShape(shape)} lets no request past its guard and blocks none by mistake`, async () => {
      const twins = await startTwins(callers, shape)
      await using guarded = twins.guarded
      await using unguarded = twins.unguarded
      assert.ok((await assertNothingGetsPast({ guarded, unguarded }, callers)) >= 10)
      await assertNothingIsLost({ guarded, unguarded }, callers)
    })
  }
})

interface Shape {
  readonly caseSensitive: boolean
  readonly strict: boolean
  /** The options of the router that serves everything but the mounted one; undefined for the application itself. */
  readonly nested: RouterOptions | undefined
}

function describeShape({ caseSensitive, strict, nested }: Shape): string {
  const routed = nested === undefined ? 'with its own routes' : `with routes in Router(${JSON.stringify(nested)})`
  return `(${caseSensitive ? 'case sensitive' : 'ignoring case'}, ${strict ? 'strict' : 'lax'}) ${routed}`
}

async function startTwins({ source }: Callers, shape: Shape): Promise<Twins> {
  const guard = createQuietGuard(source)
  const guarded = await serve(
    guard,
    createApp(shape, (app) => app.use(countersign(guard))),
  )
  return {
    guarded,
    unguarded: await serve(
      withoutGuard,
      createApp(shape, () => undefined),
    ),
  }
}

function createApp({ caseSensitive, strict, nested }: Shape, mountGuard: (app: Express) => unknown): Express {
  const app = express()
  app.set('case sensitive routing', caseSensitive)
  app.set('strict routing', strict)
  mountGuard(app)
  const routes = nested === undefined ? app : express.Router(nested)
  const api = express.Router(nested)
  api.all('/secret', answer('secret'))
  api.get('/', answer('open'))
  routes.use('/api', api)
  routes.all('/admin', answer('admin'))
  routes.all('/admin/*rest', answer('admin'))
  routes.get('/users/me', answer('me'))
  routes.get('/users/:id', answer('open'))
  routes.get('/files/:name', answer('file'))
  routes.get('/public/*rest', answer('open'))
  routes.get('/v1/items/:id', answer('open'))
  routes.get('/', answer('open'))
  routes.get('/:one', answer('open'))
  routes.get('/:one/:two', answer('open'))
  if (nested !== undefined) app.use(routes)
  return app
}

function answer(name: string): RequestHandler {
  return (_request, response) => {
    response.set('x-handler', name).send(name)
  }
}

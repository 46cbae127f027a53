import assert from 'node:assert/strict'
import { test } from 'node:test'
import { authenticated, type CountersignEvent, createGuard, type Denial } from '@countersign/core'
import Fastify from 'fastify'
import { callMethod, source } from './mistakes.ts'

const events: CountersignEvent[] = []
const log = (event: CountersignEvent): void => void events.push(event)
const guard = createGuard({ source, rules: [{ path: '/**', allow: authenticated() }], log })

test("denies and reports a value that is not a Node request, such as Fastify's own", async () => {
  const app = Fastify()
  app.get('/x', (request) => callMethod(guard, 'admit', request))
  const denial = (await app.inject('/x')).json<Denial>()
  assert.equal(denial.reason, 'evaluation_error')
  assert.match(denial.detail, /request\.raw/)
  assert.deepEqual(
    events.map((event) => ('reason' in event ? event.reason : event.type)),
    ['evaluation_error'],
  )
})

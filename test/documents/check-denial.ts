import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { channels } from '@countersign/core'
import type { Running } from '@countersign/testkit'
import type { Page } from './page.ts'
import { asObject, parseObject, read } from './read.ts'
import { production, type Workbench } from './workbench.ts'

/** Asserts that a denied caller and the log receive what the first two JSON blocks of a page show. */
export async function checkDenial({ blocks }: Page, bench: Workbench, running: Running): Promise<void> {
  const [shownAnswer, shownLine] = blocks.filter(({ info }) => info === 'json').map(({ code }) => parseObject(code))
  const events: unknown[] = []
  const listen = (event: unknown): void => void events.push(event)
  subscribe(channels.denial, listen)

  const analytics = running.as(await bench.authority.issue(`${production}/analytics`))
  const response = await analytics.fetch('/internal/billing/invoices')

  unsubscribe(channels.denial, listen)
  const answer: unknown = await response.json()
  const [event] = events
  const id = read(event, 'id')
  assert.match(response.headers.get('content-type') ?? '', /^application\/problem\+json/)
  assert.equal(read(answer, 'instance'), `urn:uuid:${String(id)}`, 'the caller gets the id that the operator finds')
  assert.equal(read(shownAnswer, 'instance'), `urn:uuid:${String(read(shownLine, 'id'))}`)
  assert.deepEqual({ ...asObject(answer), instance: '' }, { ...shownAnswer, instance: '' })
  const varying = { name: 'countersign', at: 0, id: '', remoteAddress: '' }
  assert.deepEqual({ ...asObject(event), ...varying }, { ...shownLine, ...varying })
  assert.deepEqual(Object.keys({ name: '', ...asObject(event) }).toSorted(), Object.keys(shownLine ?? {}).toSorted())
}

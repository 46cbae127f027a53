import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { PreparedMessages } from '../../packages/workload-api/src/x509/prepared-messages.ts'

/** Messages, of which those with a capital letter take time to prepare, until `release`. */
function createMessages(): {
  readonly messages: PreparedMessages<string>
  readonly taken: readonly string[]
  readonly release: () => Promise<void>
} {
  const taken: string[] = []
  let resolve: () => void = () => undefined
  const messages = new PreparedMessages<string>({
    prepare: (message) => (/[A-Z]/.test(message) ? new Promise<void>((done) => (resolve = done)) : undefined),
    take: (message) => {
      taken.push(message)
      return message !== 'bad'
    },
  })
  const release = async (): Promise<void> => {
    resolve()
    await nextTurn()
  }
  return { messages, taken, release }
}

test('applies a message immediately if there is little to prepare, and returns whether it was usable', () => {
  const { messages, taken } = createMessages()
  assert.deepEqual([messages.receive('a'), messages.receive('bad')], [true, false])
  assert.deepEqual(taken, ['a', 'bad'])
})

test('applies the message that is being prepared, and then the newest of those that arrived meanwhile', async () => {
  const { messages, taken, release } = createMessages()
  for (const message of ['A', 'b', 'c']) messages.receive(message)
  assert.deepEqual(taken, [])
  await release()
  assert.deepEqual(taken, ['A', 'c'])
  messages.receive('d')
  assert.deepEqual(taken, ['A', 'c', 'd'])
})

test('applies each of many messages that need preparation, however fast they arrive', async () => {
  const { messages, taken, release } = createMessages()
  messages.receive('A')
  for (const message of ['B', 'C', 'D']) {
    messages.receive(message)
    await release()
  }
  await release()
  assert.deepEqual(taken, ['A', 'B', 'C', 'D'])
})

test('applies nothing that arrived before it was dropped, and everything afterwards', async () => {
  const { messages, taken, release } = createMessages()
  messages.receive('A')
  messages.receive('b')
  messages.drop()
  messages.receive('c')
  await release()
  assert.deepEqual(taken, ['c'])
  messages.drop()
})

import assert from 'node:assert/strict'
import { syncBuiltinESMExports } from 'node:module'
import { test } from 'node:test'
import timers from 'node:timers/promises'
import { issueMany, joinPem } from '../trust/many-authorities.ts'
import { billing, startService } from './agent-service.ts'
import { nextNotice, pause, waitUntil } from './waiting.ts'

test('an SVID that is denied while a message is being prepared does not return with that message', async (context) => {
  const { agent, source } = await startService(context)
  // Pauses the preparation at the end of its first turn.
  let release = (): void => undefined
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  const turns = context.mock.method(timers, 'setImmediate', () => released)
  syncBuiltinESMExports()
  context.after(() => {
    release()
    turns.mock.restore()
    syncBuiltinESMExports()
  })
  const partner = { trustDomain: 'partner.example', bundlePem: joinPem(issueMany(200)) }
  await agent.setEntries([{ spiffeId: billing, federatesWith: [partner] }])
  await waitUntil(() => turns.mock.callCount() > 0)
  await agent.fail('permission_denied')
  await nextNotice(source, 'agent_denied')
  // The agent is called repeatedly, and each denial would withdraw what returned.
  let updates = 0
  source.onUpdate(() => (updates += 1))
  release()
  await pause(500)
  assert.equal(updates, 0)
  assert.throws(() => source.current, { code: 'agent_denied' })
})

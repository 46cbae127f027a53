import assert from 'node:assert/strict'
import { connectAs, protectedHandlers, type Twins, type Callers } from './guarded-targets.ts'
import { requestText } from './raw-connection.ts'
import { ordinaryTargets, requestLines } from './request-lines.ts'

/** Sends every ambiguous request to both and asserts that none reaches a protected route past the guard. */
export async function assertNothingGetsPast({ guarded, unguarded }: Twins, { attacker }: Callers): Promise<number> {
  const open = connectAs(unguarded, attacker)
  const shut = connectAs(guarded, attacker)
  let reached = 0
  for (const [name, requests] of requestLines) {
    for (const request of requests) {
      const without = await open.send(request)
      const within = await shut.send(request)
      const what = `${name}: ${JSON.stringify(request)} gave ${within.status} ${within.handler ?? ''}`
      assert.ok(!protectedHandlers.has(within.handler ?? ''), what)
      if (!protectedHandlers.has(without.handler ?? '')) continue
      reached += 1
      assert.notEqual(within.status, 200, what)
    }
  }
  return reached
}

/** Sends ordinary requests to both as an allowed caller, and asserts that the guard changes nothing. */
export async function assertNothingIsLost({ guarded, unguarded }: Twins, { entitled }: Callers): Promise<void> {
  const open = connectAs(unguarded, entitled)
  const shut = connectAs(guarded, entitled)
  for (const target of ordinaryTargets) {
    const request = requestText(`GET ${target} HTTP/1.1`)
    const { status, handler } = await open.send(request)
    const within = await shut.send(request)
    assert.deepEqual([within.status, within.handler], [status, handler], target)
  }
}

import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'node:test'
import { startAgent } from '@countersign/testkit/workload-api'
import { createWorkloadApiClient } from '@countersign/workload-api'
import { watchSvids } from '../../packages/cli/src/fetch/watch-svids.ts'
import { Screen } from '../../packages/cli/src/output/screen.ts'

const coreApi = 'spiffe://saas.example/ns/production/sa/core-api'

test('on a terminal each update is a block above a countdown, which is removed at the end', async (t) => {
  await using agent = await startAgent({ trustDomain: 'saas.example', entries: [{ spiffeId: coreApi }] })
  const written: string[] = []
  const stream = { isTTY: true, columns: 200, write: (text: string) => written.push(text) }
  const ending = new AbortController()
  const exitCode = watchSvids(createWorkloadApiClient({ endpoint: agent.endpoint }), false, {
    output: new Screen(stream, { NO_COLOR: '1' }),
    errors: new Screen(stream, { NO_COLOR: '1' }),
    input: Readable.from([]),
    environment: {},
    now: Date.now,
    stayUntilEnded: () => ending.signal,
  })
  const waitFor = async (pattern: RegExp): Promise<void> => {
    while (!pattern.test(written.join(''))) await sleep(10, undefined, { signal: t.signal })
  }
  await waitFor(/1 update so far/)
  await agent.rotate()
  await waitFor(/2 updates so far/)
  await agent.setEntries([])
  await waitFor(/PERMISSION_DENIED[^]*no SVID; 2 updates so far/)
  ending.abort()

  assert.equal(await exitCode, 0)
  for (const [pattern, times] of [
    [/^update \d, \S+Z$/, 2],
    [new RegExp(`^${coreApi}$`), 2],
    [/^ {2}expires +\S+Z, in /, 2],
    [/^countersign: FetchX509SVID/, 1],
  ] as const) {
    assert.equal(written.filter((text) => pattern.test(text.trimEnd())).length, times, String(pattern))
  }
  assert.ok(written.some((text) => text.startsWith('expires in ') && text.includes(coreApi)))
  assert.equal(written.at(-1), '\r\u001b[2K')
})

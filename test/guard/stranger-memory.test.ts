import assert from 'node:assert/strict'
import { test } from 'node:test'
import { spawnProgram } from './spawn-program.ts'

test('requests of unauthenticated callers leave nothing in memory', async () => {
  const { status, printed } = await spawnProgram(
    `
    import { createGuard, authenticated } from '@countersign/core'
    import { createAuthority } from '@countersign/testkit'
    const authority = await createAuthority('saas.example')
    const source = await authority.source('spiffe://saas.example/ns/production/sa/billing')
    const guard = createGuard({ source, rules: [{ path: '/**', allow: authenticated() }], log: () => undefined })
    const ask = (url) => guard.admit({
      method: 'GET', url, headers: {}, rawHeaders: ['Host', 'a'], httpVersionMajor: 1, socket: {},
    })
    const used = () => {
      for (let turn = 0; turn < 3; turn += 1) gc()
      return process.memoryUsage().heapUsed
    }
    for (let index = 0; index < 1000; index += 1) ask('/warm/' + index)
    const before = used()
    for (let index = 0; index < 10_000; index += 1) ask('/' + index + 'a'.repeat(200))
    const growth = used() - before
    console.log(growth < 1024 * 1024 ? 'nothing' : growth)
  `,
    ['--expose-gc'],
  )
  assert.deepEqual([status, printed], [0, 'nothing\n'])
})

import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync } from 'node:fs'
import test from 'node:test'
import { obey, startExample } from './start-example.ts'

const coreApi = 'spiffe://saas.example/ns/production/sa/core-api'

for (const name of ['fastify-quickstart', 'express-quickstart']) {
  test(`${name} allows core-api, denies notification-service, and cleans up`, async () => {
    const example = await startExample(name, /^curl .*notification-service.*\n/m)
    const [allowed = '', denied = '', ...more] = example.output.split('\n').filter((line) => line.startsWith('curl '))
    try {
      assert.match(example.output, /^listening on https:\/\/127\.0\.0\.1:\d+$/m)
      assert.deepEqual(more, [])
      assert.deepEqual(await obey(allowed), { status: 200, body: { invoices: [], caller: coreApi } })
      assert.equal((await obey(denied)).status, 403)
      assert.equal(statSync(findFile(allowed, '--cert')).mode & 0o777, 0o600)
    } finally {
      assert.equal(await example.stop(), 0)
    }
    assert.ok(!existsSync(findFile(allowed, '--cert')))
  })

  test(`${name} fits on a page`, () => {
    const text = readFileSync(new URL(`../../examples/${name}/src/main.ts`, import.meta.url), 'utf8')
    assert.ok(text.trimEnd().split('\n').length <= 40)
  })
}

function findFile(command: string, flag: string): string {
  const words = command.split(' ')
  return words[words.indexOf(flag) + 1] ?? ''
}

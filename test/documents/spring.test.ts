import assert from 'node:assert/strict'
import test, { after, before } from 'node:test'
import { serve, type TestSvid } from '@countersign/testkit'
import { readPage } from './page.ts'
import { isGuard, read } from './read.ts'
import { testBlocks, testPrinted } from './test-page.ts'
import { createWorkbench, production, type Workbench } from './workbench.ts'
import { admitNow } from '../support/admit-now.ts'

const page = readPage('docs/spring.md')

let bench: Workbench
before(async () => {
  bench = await createWorkbench(page)
  const own = await issue('billing-service')
  bench.write('billing-service.key', own.keyPem)
  bench.write('billing-service.crt', own.certificatePem)
  bench.write('ca.crt', bench.authority.bundlePem)
})
after(() => bench.close())

testBlocks(page, () => bench)
testPrinted(page, () => bench, ['by-spiffe-id.ts'])

test('the services of the map get the responses in the table', async () => {
  const guard = read(await bench.load('by-common-name.ts'), 'guard')
  assert.ok(isGuard(guard))
  await using running = await serve(guard, (request, response) => {
    const verdict = admitNow(guard, request)
    response.statusCode = 'name' in verdict ? 200 : verdict.status
    response.end()
  })
  const [, head = '', body = ''] = /^\| caller \|(.*)\|\n\|[-|]+\n((?:\|.*\n)+)/m.exec(page.text) ?? []
  const paths = [...head.matchAll(/`([^`]+)`/g)].map(([, path = '']) => path)
  const rows = body.trim().split('\n')
  assert.deepEqual([paths.length, rows.length], [4, 4])

  for (const row of rows) {
    const [, name = '', cells = ''] = /^\| `([^`]+)`[^|]*\|(.*)\|$/.exec(row) ?? []
    const peer = await issue(name)
    const found = await Promise.all(
      paths.map((path) =>
        running
          .as(peer)
          .fetch(path)
          .then(
            ({ status }) => String(status),
            () => 'closed',
          ),
      ),
    )
    assert.deepEqual(
      found,
      cells.split('|').map((cell) => cell.trim()),
      name,
    )
  }
})

/** A certificate with only a common name, as a CA without SPIFFE issues it. */
function issue(commonName: string): Promise<TestSvid> {
  return bench.authority.issue(`${production}/nobody`, { uris: [], subject: { CN: commonName }, keyUsages: null })
}

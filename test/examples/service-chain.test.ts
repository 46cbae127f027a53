import assert from 'node:assert/strict'
import test from 'node:test'
import { startAgent } from '@countersign/testkit/workload-api'
import { type Finished, runExample } from './start-example.ts'

const production = 'spiffe://saas.example/ns/production/sa'
const names = ['storefront', 'core-api', 'billing', 'ledger']

test('no call through the chain fails while all four workloads rotate, and none passes as another', async () => {
  const finished = await runExample('service-chain')

  checkChain(finished)
  for (const name of names) {
    const [, rotations = '', serials = ''] =
      new RegExp(`^${name}: rotated (\\d+) times,.*numbers (.*)$`, 'm').exec(finished.output) ?? []
    assert.ok(Number(rotations) >= 2, name)
    assert.ok(serials.split(' ').length >= 2, name)
  }
})

test('the chain uses the agent at SPIFFE_ENDPOINT_SOCKET', async (context) => {
  const entries = names.map((name) => ({ spiffeId: `${production}/${name}`, hint: `production/${name}` }))
  const agent = await startAgent({ trustDomain: 'saas.example', entries })
  context.after(() => agent.close())
  const finished = await runExample('service-chain', [], { SPIFFE_ENDPOINT_SOCKET: agent.endpoint })

  assert.ok(finished.output.includes(`SVIDs come from the agent at ${agent.endpoint}`))
  checkChain(finished)
})

function checkChain({ exitCode, output, errors }: Finished): void {
  assert.equal(errors, '')
  assert.equal(exitCode, 0, output)
  const lines = output.trimEnd().split('\n')
  assert.match(
    lines.at(-1) ?? '',
    /^as expected: [1-9]\d* calls through the chain, 0 failed; 5 attempts to bypass it, 5 refused$/,
  )
  assert.ok(lines.includes(`  ledger denied ${production}/core-api: caller_not_listed`))
  assert.ok(lines.includes('core-api calls the ledger: closed without a response'))
  assert.ok(lines.includes('core-api calls billing, but reaches the ledger: server_unexpected'))
  assert.ok(lines.includes(`  billing denied ${production}/core-api: authority_missing`))
  const header = 'core-api calls billing and claims in a header to be month-end'
  assert.ok(lines.includes(`${header}: billing sees: ${production}/core-api`))
  assert.ok(lines.includes(`${header}, on a path for month-end only: 403`))
  assert.ok(lines.includes('the storefront calls billing directly: 403'))
}

import assert from 'node:assert/strict'
import test from 'node:test'
import { startAgent } from '@countersign/testkit/workload-api'
import { createWorkloadApiClient } from '@countersign/workload-api'
import { readJsonLines, readRecords } from './read-json-lines.ts'
import { runCommand, startCommand } from './run-command.ts'
import { runInProcess } from './run-in-process.ts'
import { billing, coreApi, startAgentWithPartner } from './start-agent-with-partner.ts'

test('shows a block for each SVID: SPIFFE ID, hint, serial, expiry, chain and bundles', async () => {
  await using agent = await startAgentWithPartner()
  const { exitCode, output, errors } = await runCommand(['fetch', '--socket', agent.endpoint])

  assert.equal(errors, '')
  assert.equal(exitCode, 0)
  const blocks = output.trimEnd().split('\n\n')
  assert.equal(blocks.length, 2)
  const [, second] = await createWorkloadApiClient({ endpoint: agent.endpoint }).fetchX509Svids()
  for (const [block, id, hint] of [
    [blocks[0] ?? '', coreApi, 'none'],
    [blocks[1] ?? '', billing, 'internal'],
  ] as const) {
    assert.ok(block.startsWith(`${id}\n`))
    assert.match(block, new RegExp(`^  hint +${hint}$`, 'm'))
    assert.match(block, /^ {2}expires +\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ, in (?:9 m|10 m)(?: \d+ s)?$/m)
    assert.match(block, /^ {2}chain +2 certificates$/m)
    assert.match(block, /^ {2}bundle +saas\.example, 1 X\.509 authority$/m)
    assert.match(block, /^ {2}bundle +partner\.example \(federated\), 1 X\.509 authority$/m)
  }
  assert.ok(blocks[1]?.includes(`serial   ${second?.material.svid.serialNumber}\n`))
})

test('the JSON of an SVID names every certificate of the chain and of the bundles', async () => {
  await using agent = await startAgentWithPartner()
  const { output } = await runInProcess(['fetch', '--socket', agent.endpoint, '--json'])

  const [svid] = readJsonLines(output)
  const own = (await createWorkloadApiClient({ endpoint: agent.endpoint }).fetchX509Svids())[0]?.material.svid
  assert.equal(svid?.['serialNumber'], own?.serialNumber)
  assert.equal(svid?.['expiresAt'], new Date(own?.expiresAt ?? 0).toISOString().replace('.000Z', 'Z'))
  const [leaf, intermediate, ...more] = readRecords(svid?.['chain'])
  const fields = ['subject', 'issuer', 'serialNumber', 'sha256', 'notBefore', 'notAfter']
  assert.deepEqual(Object.keys(leaf ?? {}), fields)
  assert.equal(leaf?.['sha256'], own?.sha256)
  assert.equal(leaf?.['issuer'], intermediate?.['subject'])
  assert.deepEqual(more, [])
  const [root] = readRecords(readRecords(svid?.['bundles'])[0]?.['authorities'])
  assert.equal(root?.['subject'], intermediate?.['issuer'])
})

test('no command prints a private key', async () => {
  await using agent = await startAgentWithPartner()
  const variables = { SPIFFE_ENDPOINT_SOCKET: agent.endpoint }
  const svids = await createWorkloadApiClient({ endpoint: agent.endpoint }).fetchX509Svids()
  const keys = svids.map(({ material }) => material.svid.exportPrivateKey().split('\n')[1] ?? '')
  await using watch = startCommand(['fetch', '--watch'], variables)
  await using watchJson = startCommand(['fetch', '--watch', '--json'], variables)
  await using dev = startCommand(['dev', '--service', 'production/core-api', '--ttl', '2s', '--json'])
  await Promise.all([watch.waitFor(/billing/), watchJson.waitFor(/billing/), dev.waitFor(/rotated/)])
  const finished = await Promise.all([runCommand(['fetch'], variables), runCommand(['fetch', '--json'], variables)])
  await Promise.all([watch.stop(), watchJson.stop(), dev.stop()])

  for (const { output, errors } of [...finished, watch, watchJson, dev]) {
    assert.notEqual(output, '')
    for (const key of keys) assert.ok(key !== '' && !`${output}${errors}`.includes(key))
    // The first base64 characters of every PKCS#8 key on P-256.
    assert.ok(!/PRIVATE KEY|MIGHAgEA/.test(`${output}${errors}`))
  }
})

test('reports an unreachable agent with endpoint, status and likely cause, and exits with 1', async () => {
  const { exitCode, output, errors } = await runInProcess(['fetch', '--socket', 'unix:///nowhere/agent.sock'])

  assert.equal(exitCode, 1)
  assert.equal(output, '')
  assert.match(errors, /^countersign: .*unix:\/\/\/nowhere\/agent\.sock.*UNAVAILABLE.*running.*\n$/)
})

test('reports an agent without an entry for us as PERMISSION_DENIED, and exits with 1', async () => {
  await using agent = await startAgent({ trustDomain: 'saas.example', entries: [] })
  const { exitCode, errors } = await runInProcess(['fetch', '--socket', agent.endpoint])

  assert.equal(exitCode, 1)
  assert.match(errors, /^countersign: .*PERMISSION_DENIED.*entry.*\n$/)
})

test('exits with 1 for an SVID that no service could use', async () => {
  await using agent = await startAgentWithPartner()
  await agent.fail('wrong_key')
  const { exitCode, output, errors } = await runInProcess(['fetch', '--socket', agent.endpoint])

  assert.equal(exitCode, 1)
  assert.equal(output, '')
  assert.match(errors, /^countersign: .+\n$/)
})

test('a hint cannot control the terminal or forge a line', async () => {
  const hint = 'a\u001b[2Jb\nserial 00\u202ec'
  await using agent = await startAgent({ trustDomain: 'saas.example', entries: [{ spiffeId: coreApi, hint }] })
  const plain = await runInProcess(['fetch', '--socket', agent.endpoint])
  const json = await runInProcess(['fetch', '--socket', agent.endpoint, '--json'])

  for (const { output } of [plain, json]) assert.ok(!/[\p{Cc}\p{Cf}]/u.test(output.replaceAll('\n', '')))
  assert.ok(!/^serial/m.test(plain.output))
  assert.equal(readJsonLines(json.output)[0]?.['hint'], hint)
})

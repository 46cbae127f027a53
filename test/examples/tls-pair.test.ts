import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Agent, startAgent } from '@countersign/testkit/workload-api'
import { type Finished, runExample, type Started, startExample } from './start-example.ts'

const names = ['service-a', 'service-b', 'service-c']

// They wait for rotations most of the time.
describe('the TLS pair example', { concurrency: true }, () => {
  test('greets with each of its SVIDs in turn, names the peer on both sides, and refuses a third workload', async () => {
    const finished = await runExample('tls-pair', ['--ttl', '10'])

    assert.equal(finished.errors, '')
    assert.equal(finished.exitCode, 0, finished.output)
    assert.match(finished.output.trimEnd().split('\n').at(-1) ?? '', /^as expected: 5 connections, 4 rotations /)
    checkPair(finished, { trustDomain: 'saas.example', connections: 5 })
  })

  test('uses the agent at SPIFFE_ENDPOINT_SOCKET', async (context) => {
    const agent = await startOwnAgent(12)
    context.after(() => agent.close())
    const finished = await runExample('tls-pair', [], { SPIFFE_ENDPOINT_SOCKET: agent.endpoint })

    assert.equal(finished.exitCode, 0, finished.output + finished.errors)
    assert.ok(finished.output.includes(`SVIDs come from the agent at ${agent.endpoint}`))
    checkPair(finished, { trustDomain: 'demo.example', connections: 5 })
  })

  test('does not wait for a rotation of SVIDs that live for an hour', async (context) => {
    const agent = await startOwnAgent(3600)
    context.after(() => agent.close())
    const finished = await runExample('tls-pair', [], { SPIFFE_ENDPOINT_SOCKET: agent.endpoint })

    assert.equal(finished.exitCode, 0, finished.output + finished.errors)
    checkPair(finished, { trustDomain: 'demo.example', connections: 1 })
  })

  test('runs its two halves as separate processes', async (context) => {
    const agent = await startOwnAgent(10)
    context.after(() => agent.close())
    const serviceB = await startAs(agent, 'service-b', /listens on 127\.0\.0\.1:\d+\n/, '0')
    context.after(() => serviceB.stop())
    const port = /127\.0\.0\.1:(\d+)/.exec(serviceB.output)?.[1] ?? ''
    const serviceA = await startAs(agent, 'service-a', /(?:hello from service-b[^]*){2}\n/, port)
    await serviceA.stop()

    const [first, second] = [...serviceA.output.matchAll(/own serial (\S+)/g)].map(([, serial]) => serial)
    assert.ok(serviceA.output.includes('peer spiffe://demo.example/ns/demo/sa/service-b'))
    assert.notEqual(first, second)
  })

  test('answers unknown arguments with its usage', async () => {
    for (const args of [['service-d'], ['--ttl', '1'], ['--ttl', '3600'], ['--port', 'x'], ['--tls', '1']]) {
      const { exitCode, output, errors } = await runExample('tls-pair', args)
      assert.equal(exitCode, 2, args.join(' '))
      assert.equal(output, '')
      assert.match(errors, /\nusage: /)
    }
  })
})

function checkPair(
  { output }: Finished,
  { trustDomain, connections }: { readonly trustDomain: string; readonly connections: number },
): void {
  const sideOf = (name: string, peer: string): readonly (readonly string[])[] => {
    const who = `spiffe://${trustDomain}/ns/demo/sa/${peer}`
    const lines = output.split('\n').filter((line) => line.startsWith(`${name}  peer ${who}  `))
    return lines.map((line) => [...line.matchAll(/…[0-9a-f]{6}/g)].map(([serial]) => serial))
  }
  const ofA = sideOf('service-a', 'service-b')
  const ofB = sideOf('service-b', 'service-a')

  assert.equal(ofA.length, connections)
  assert.equal(output.match(/it sends "hello from service-b"/g)?.length, connections)
  assert.equal(new Set(ofA.map(([, own]) => own)).size, connections, 'each connection has an SVID of its own')
  assert.deepEqual(
    ofB.map(([peer, own]) => [own, peer]),
    ofA,
    'each side sees what the other shows',
  )
  assert.ok(output.includes(`receives nothing; service-b reports caller_not_listed: spiffe://${trustDomain}/`))
  assert.match(output, /service-c instead of service-b: server_unexpected\n/)
}

function startOwnAgent(ttlSeconds: number): Promise<Agent> {
  const entries = names.map((name) => ({
    spiffeId: `spiffe://demo.example/ns/demo/sa/${name}`,
    hint: `demo/${name}`,
    ttlSeconds,
  }))
  return startAgent({ trustDomain: 'demo.example', entries })
}

function startAs(agent: Agent, name: string, until: RegExp, port: string): Promise<Started> {
  const variables = { SPIFFE_ENDPOINT_SOCKET: agent.endpoint, SVID_HINT: `demo/${name}` }
  return startExample('tls-pair', until, [name, '--port', port], variables)
}

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import test from 'node:test'
import { runCommand } from './run-command.ts'
import { runInProcess } from './run-in-process.ts'

for (const command of ['dev', 'fetch', 'readiness']) {
  test(`the help of ${command} shows examples, the exit codes, and only options that it lists`, async () => {
    const { exitCode, output, errors } = await runInProcess([command, '--help'])

    assert.equal(errors, '')
    assert.equal(exitCode, 0)
    const [listed = '', examples = ''] = output.split('\nExamples:\n')
    assert.match(examples, new RegExp(`^  \\$ countersign ${command}`, 'm'))
    assert.match(examples, /^Exit codes: 0 .*1 .*2 /ms)
    for (const [option] of examples.matchAll(/--[a-z-]+/g)) {
      assert.ok(listed.includes(`${option} `), option)
    }
    assert.ok(output.split('\n').every((line) => line.length <= 80))
  })
}

test('the main help names every command', async () => {
  const { exitCode, output } = await runInProcess(['--help'])

  assert.equal(exitCode, 0)
  assert.match(output, /^ {2}dev .*\n(?:.*\n)*? {2}fetch .*\n(?:.*\n)*? {2}readiness /m)
})

test('without a command prints the help to stderr and exits with 2', async () => {
  const { exitCode, output, errors } = await runCommand([])

  assert.equal(exitCode, 2)
  assert.equal(output, '')
  assert.match(errors, /^Usage: countersign /)
})

test('prints the version of the package', async () => {
  const content: unknown = JSON.parse(readFileSync(new URL('../../packages/cli/package.json', import.meta.url), 'utf8'))
  const { exitCode, output } = await runCommand(['--version'])

  assert.equal(exitCode, 0)
  assert.ok(typeof content === 'object' && content !== null && 'version' in content)
  assert.equal(output, `${String(content.version)}\n`)
})

const mistakes: readonly (readonly [args: readonly string[], expected: RegExp])[] = [
  [['fetch', '--wach'], /--wach.*--watch/],
  [['fecth'], /fecth.*fetch/],
  [['fetch', 'more'], /./],
  [['dev', '--ttl'], /--ttl/],
  [['dev', '--servce', 'a/b'], /--servce.*--service/],
  [['dev'], /--service/],
  [['dev', '--service', 'core-api'], /--service/],
  [['dev', '--service', 'a/b/c'], /--service/],
  [['dev', '--service', 'a/..'], /--service/],
  [['dev', '--service', 'spiffe://saas.example/ns/a/sa/b'], /--service/],
  [['dev', '--service', 'a/b', '--service', 'a/b'], /--service/],
  [['dev', '--service', 'a/b', '--ttl', '500ms'], /--ttl/],
  [['dev', '--service', 'a/b', '--ttl', '0s'], /--ttl/],
  [['dev', '--service', 'a/b', '--ttl', '25h'], /--ttl/],
  [['dev', '--service', 'a/b', '--trust-domain', 'Saas.Example'], /--trust-domain: .*Saas\.Example/],
  [['dev', '--service', 'a/b', '--federate', 'a b'], /--federate: /],
  [['dev', '--service', 'a/b', '--federate', 'dev.example'], /--federate/],
  [['dev', '--service', 'a/b', '--federate', 'x.example', '--federate', 'x.example'], /--federate/],
  [['dev', '--service', 'a/b', '--socket', 'unix:///tmp/agent.sock'], /--socket/],
  [['dev', '--service', 'a/b', '--socket', ''], /--socket/],
  [['fetch'], /SPIFFE_ENDPOINT_SOCKET/],
  [['fetch', '--socket', '/tmp/agent.sock'], /unix:\/\//],
  [['fetch', '--socket', 'tcp://localhost:80'], /tcp:\/\//],
]

for (const [args, expected] of mistakes) {
  test(`'countersign ${args.join(' ')}' prints one line and exits with 2`, async () => {
    const { exitCode, output, errors } = await runInProcess(args)

    assert.equal(exitCode, 2)
    assert.equal(output, '')
    assert.match(errors, /^countersign: .+\n$/)
    assert.match(errors, expected)
  })
}

test('a separate process reports an invalid command line in the same way', async () => {
  const { exitCode, output, errors } = await runCommand(['dev', '--servce', 'a/b'])

  assert.equal(exitCode, 2)
  assert.equal(output, '')
  assert.match(errors, /^countersign: .*--servce.*--service.*\n$/)
})

import assert from 'node:assert/strict'
import test from 'node:test'
import { ConfigurationError, SpiffeIdError } from '@countersign/core'
import { AgentError } from '@countersign/workload-api'
import { readFailure } from '../../packages/cli/src/failure.ts'

const denial = {
  method: 'FetchX509SVID',
  code: 'PERMISSION_DENIED',
  details: 'a\nb',
  endpoint: 'unix:///agent.sock',
} as const

test('an invalid command line exits with 2, and an error of the agent or the system with 1', () => {
  const cases: readonly (readonly [error: Error, exitCode: number, code: string])[] = [
    [new ConfigurationError('option_invalid', 'found none'), 2, 'option_invalid'],
    // An invalid SPIFFE ID on the command line is reported as an invalid option; this one was in a message.
    [new SpiffeIdError('bad_scheme', 'found http'), 1, 'bad_scheme'],
    [new AgentError(denial), 1, 'agent_denied'],
    [Object.assign(new Error('permission denied'), { code: 'EACCES' }), 1, 'EACCES'],
  ]
  for (const [error, exitCode, code] of cases) {
    const failure = readFailure(error)
    assert.deepEqual([failure.exitCode, failure.code], [exitCode, code])
  }
})

test('an error of the agent is one line with status and endpoint', () => {
  const { message, grpcStatus, endpoint } = readFailure(new AgentError(denial))

  assert.equal(message.split('\n').length, 1)
  assert.deepEqual([grpcStatus, endpoint], ['PERMISSION_DENIED', 'unix:///agent.sock'])
})

test('a bug of the program is rethrown and not reported as an agent failure', () => {
  assert.throws(() => readFailure(new TypeError('x is not a function')), TypeError)
  assert.throws(
    () => readFailure('text'),
    (error) => error === 'text',
  )
})

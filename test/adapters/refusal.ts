import assert from 'node:assert/strict'
import { ConfigurationError, type ConfigurationErrorCode } from '@countersign/core'

/** For `assert.throws` and `assert.rejects`: an error with this code whose message names its subject. */
export function refusal(code: ConfigurationErrorCode, named: RegExp): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof ConfigurationError, String(error))
    assert.equal(error.code, code, error.message)
    assert.match(error.message, named)
    return true
  }
}

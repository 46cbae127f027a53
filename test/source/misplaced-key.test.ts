import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { ConfigurationError, fileSource, staticSource } from '@countersign/core'
import { authority, createFolder, optionsFor, spiffeId, writeFiles } from './files.ts'

const svid = await authority.issue(spiffeId)
// The first line alone is enough to find a key.
const secret = svid.keyPem.split('\n')[1]?.slice(0, 24) ?? ''

async function findError(start: () => unknown): Promise<ConfigurationError> {
  try {
    await start()
  } catch (error) {
    if (error instanceof ConfigurationError) return error
    throw error
  }
  return assert.fail('expected an error')
}

test('rejects a key instead of its path, and does not show it', async (context) => {
  const folder = createFolder(context)
  writeFiles(folder, svid)
  const { key, cert, bundles } = optionsFor(folder)
  const mistakes: readonly object[] = [
    { key: svid.keyPem, cert, bundles },
    { key: svid.keyPem.trim().replaceAll('\n', '\\n'), cert, bundles },
    { key: { path: svid.keyPem, passphrase: 'secret' }, cert, bundles },
    { keyStore: svid.keyPem, bundles },
    { key, cert: `${svid.certificatePem}${svid.keyPem}`, bundles },
    { key, cert, bundles: svid.keyPem },
    { key, cert, ca: svid.keyPem },
  ]
  for (const options of mistakes) {
    const error = await findError(() => Reflect.apply(fileSource, undefined, [options]))
    assert.equal(error.code, 'option_invalid')
    assert.ok(!inspect(error, { depth: 9, showHidden: true }).includes(secret), Object.keys(options).join())
  }
})

test('does not show a key that was passed instead of an object', async () => {
  const input = { key: svid.keyPem, cert: svid.certificatePem, bundles: svid.keyPem }
  const error = await findError(() => Reflect.apply(staticSource, undefined, [input]))
  assert.equal(error.code, 'option_invalid')
  assert.ok(!inspect(error, { depth: 9, showHidden: true }).includes(secret))
})

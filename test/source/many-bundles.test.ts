import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileSource, SourceError } from '@countersign/core'
import { authority, createFolder, optionsFor, spiffeId, writeFiles } from './files.ts'

test('rejects a folder with more bundles than a handshake can carry before reading any of them', async (context) => {
  const folder = createFolder(context)
  writeFiles(folder, await authority.issue(spiffeId))
  const bundles = join(folder, 'bundles')
  mkdirSync(bundles)
  // Their content is unreadable.
  for (let count = 0; count < 1025; count += 1) writeFileSync(join(bundles, `partner-${count}.example.pem`), 'x')
  await assert.rejects(
    fileSource({ ...optionsFor(folder), bundles }),
    (error) => error instanceof SourceError && error.code === 'file_unsuitable' && error.value === bundles,
  )
})

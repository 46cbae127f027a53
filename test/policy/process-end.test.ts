import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { spawnProgram } from '../guard/spawn-program.ts'
import { createFolder, denying } from './write-documents.ts'

const prologue = "import { writeFileSync } from 'node:fs'\nimport { policyFiles } from '@countersign/policy'\n"

test('a process with an open source of documents exits by itself', async (context) => {
  const file = join(createFolder(context), 'a.yaml')
  writeFileSync(file, denying('a'))
  const program = `${prologue}const { current } = await policyFiles(${JSON.stringify(file)})\nconsole.log(current.policies.length)`
  assert.deepEqual(await spawnProgram(program), { status: 0, printed: '1\n' })
})

test('a process whose documents are refused exits by itself', async (context) => {
  const file = join(createFolder(context), 'a.yaml')
  writeFileSync(file, 'version: 2')
  const program = `${prologue}await policyFiles(${JSON.stringify(file)}).catch(({ code }) => console.log(code))`
  assert.deepEqual(await spawnProgram(program), { status: 0, printed: 'document_invalid\n' })
})

test('options of the process and code that it preloads do not reach the worker', async (context) => {
  const folder = createFolder(context)
  const preload = join(folder, 'preload.cjs')
  writeFileSync(preload, "if (!require('node:worker_threads').isMainThread) process.exit(7)")
  writeFileSync(join(folder, 'a.yaml'), denying('a'))
  const program = `${prologue}const { current } = await policyFiles(${JSON.stringify(join(folder, 'a.yaml'))})\nconsole.log(current.policies.length)`
  assert.deepEqual(await spawnProgram(program, ['--require', preload]), { status: 0, printed: '1\n' })
})

test('a listener that throws does not keep another from the new set', async (context) => {
  const file = join(createFolder(context), 'a.yaml')
  writeFileSync(file, denying('a'))
  const program = `${prologue}
    const source = await policyFiles({ files: [${JSON.stringify(file)}], pollInterval: 1000 })
    process.on('uncaughtException', ({ message }) => console.log(message))
    source.onUpdate(() => { throw new Error('of the application') })
    const updated = new Promise((resolve) => source.onUpdate(resolve))
    const timer = setTimeout(() => undefined, 20_000)
    writeFileSync(${JSON.stringify(file)}, ${JSON.stringify(denying('b'))})
    console.log((await updated).policies[0].name)
    clearTimeout(timer)
    setImmediate(() => source.close())
  `
  const { status, printed } = await spawnProgram(program)
  assert.deepEqual([status, printed.trim().split('\n').toSorted()], [0, ['b', 'of the application']])
})

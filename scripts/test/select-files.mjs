import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fail, root } from '../setup.mjs'

/**
 * Parses the arguments after `npm test --`: words select the files whose path contains one of them, and arguments that
 * start with a dash are for Node. `isWanted` excludes files beforehand.
 */
export function selectFiles(given, isWanted = () => true) {
  const flags = given.filter((argument) => argument.startsWith('-'))
  const words = given.filter((argument) => !argument.startsWith('-'))
  const all = listTestFiles().filter(isWanted)
  const files = words.length === 0 ? all : all.filter((file) => words.some((word) => file.includes(word)))
  if (files.length === 0) {
    fail(`No test file matches ${words.join(' ') || 'test/*/*.test.ts'}. Write flags with a value as --flag=value.`)
  }
  return { files, flags }
}

// Node 20's --test does not expand globs, and not every shell does.
function listTestFiles() {
  const folders = readdirSync(join(root, 'test'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== 'node_modules' && entry.name !== 'dist')
    .map((entry) => `test/${entry.name}`)
  return folders
    .flatMap((folder) => readdirSync(join(root, folder)).map((name) => `${folder}/${name}`))
    .filter((file) => file.endsWith('.test.ts'))
    .toSorted()
}

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import parseChangeset from '@changesets/parse'

const types = ['patch', 'minor', 'major']

/**
 * What the next release is: the changesets, and the one version that all packages get. `version` is undefined without
 * changesets.
 *
 * We do not use the plan of Changesets itself: it makes a package 1.0.0 when one of its peer dependencies leaves its
 * range, which `@countersign/core` does in every minor release before 1.0.0.
 */
export function readPlan(root) {
  const packages = readPackages(root)
  const versions = [...new Set(packages.map(({ version }) => version))]
  if (versions.length !== 1) throw new Error(`found packages of versions ${versions.join(', ')}, expected one version`)
  const changesets = readChangesets(root, new Set(packages.map(({ name }) => name)))
  const [current] = versions
  const type = types.findLast((each) => changesets.some((changeset) => changeset.type === each))
  return { packages, current, changesets, type, version: type === undefined ? undefined : raise(current, type) }
}

function readPackages(root) {
  return readdirSync(join(root, 'packages')).map((folder) => {
    const file = join('packages', folder, 'package.json')
    const { name, version, repository } = JSON.parse(readFileSync(join(root, file), 'utf8'))
    return { name, version, repository: repository.url, file }
  })
}

function readChangesets(root, known) {
  const files = readdirSync(join(root, '.changeset')).filter((name) => name.endsWith('.md') && name !== 'README.md')
  return files.toSorted().map((name) => {
    const file = join('.changeset', name)
    const { summary, releases } = parseChangeset(readFileSync(join(root, file), 'utf8'))
    const unknown = releases.find((release) => !known.has(release.name) || !types.includes(release.type))
    if (releases.length === 0 || unknown !== undefined) {
      const found = unknown === undefined ? 'no package' : `${unknown.name}: ${unknown.type}`
      throw new Error(`${file}: found ${found}, expected packages of this workspace, each patch, minor or major`)
    }
    const type = types.findLast((each) => releases.some((release) => release.type === each))
    return { file, type, packages: releases.map((release) => release.name), summary: summary.trim() }
  })
}

function raise(version, type) {
  const parts = /^(\d+)\.(\d+)\.(\d+)$/.exec(version)
  if (parts === null) throw new Error(`found version ${version}, expected three numbers`)
  const [major, minor, patch] = parts.slice(1).map(Number)
  if (type === 'major') return `${major + 1}.0.0`
  return type === 'minor' ? `${major}.${minor + 1}.0` : `${major}.${minor}.${patch + 1}`
}

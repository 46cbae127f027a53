/**
 * The script of a matrix page: filters, arrow keys, and the reason of the focused cell. The page is complete without
 * it. It only reads text and toggles attributes, so that no name is ever parsed as markup.
 */
export const matrixScript: string = `
'use strict'
{
  const find = (id) => document.getElementById(id)
  const [form, callers, routes, kind, found, shown] = ['filter', 'callers', 'routes', 'cells', 'found', 'shown'].map(find)
  const heads = [...document.querySelectorAll('thead th')].slice(1)
  const rows = [...document.querySelectorAll('tbody tr')]
  const matches = (text, wanted) => wanted.every((word) => text.includes(word))
  const wordsOf = (input) => input.value.toLowerCase().split(/\\s+/).filter(Boolean)
  const textOf = (element) => element.textContent.toLowerCase()

  function filter() {
    const [named, asked] = [wordsOf(callers), wordsOf(routes)]
    const columns = heads.map((head) => matches(textOf(head), asked))
    const used = heads.map(() => false)
    const isWanted = (cell) => kind.value === '' || cell.classList.contains(kind.value)
    let count = 0
    for (const row of rows) {
      const cells = [...row.cells].slice(1)
      const isNamed = matches(textOf(row.cells[0]), named)
      const wanted = cells.map((cell, index) => isNamed && columns[index] && isWanted(cell))
      row.hidden = !isNamed || (kind.value !== '' && !wanted.includes(true))
      if (row.hidden) continue
      count += 1
      wanted.forEach((is, index) => { used[index] ||= is })
    }
    const visible = columns.map((is, index) => is && (kind.value === '' || used[index]))
    heads.forEach((head, index) => { head.hidden = !visible[index] })
    for (const row of rows) [...row.cells].slice(1).forEach((cell, index) => { cell.hidden = !visible[index] })
    found.value = count + ' of ' + rows.length + ' callers, ' + visible.filter(Boolean).length + ' of ' + heads.length + ' columns'
    enter(links()[0])
  }

  const links = () => [...document.querySelectorAll('tbody tr:not([hidden]) td:not([hidden]) a')]
  let current

  // One cell is in the tab order; arrow keys move between cells.
  function enter(link) {
    if (current) current.tabIndex = -1
    current = link
    if (current) current.tabIndex = 0
  }

  function move(link, key) {
    const cell = link.parentElement
    const cells = [...cell.parentElement.cells].slice(1).filter((each) => !each.hidden)
    const lines = rows.filter((row) => !row.hidden)
    const [column, line] = [cells.indexOf(cell), lines.indexOf(cell.parentElement)]
    const targets = {
      ArrowRight: cells[column + 1], ArrowLeft: cells[column - 1], Home: cells[0], End: cells.at(-1),
      ArrowDown: lines[line + 1]?.cells[cell.cellIndex], ArrowUp: line > 0 ? lines[line - 1].cells[cell.cellIndex] : undefined,
    }
    return targets[key]?.querySelector('a')
  }

  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return
    const { target, key } = event
    if (key === '/' && !/^(INPUT|SELECT)$/.test(target.tagName)) {
      event.preventDefault()
      callers.focus()
      return
    }
    if (key === 'Escape' && form.contains(target)) {
      form.reset()
      filter()
      return
    }
    const next = target.matches?.('td a') ? move(target, key) : undefined
    if (!next) return
    event.preventDefault()
    enter(next)
    next.focus()
  })

  document.querySelector('tbody').addEventListener('focusin', ({ target }) => {
    if (!target.matches('td a')) return
    enter(target)
    const cell = target.parentElement
    const reason = find(target.hash.slice(1))
    const route = heads[cell.cellIndex - 1].querySelector('.route').textContent
    shown.textContent = cell.parentElement.cells[0].textContent + ', ' + route + ': ' + target.textContent + ' \\u2013 ' + reason.textContent
    shown.hidden = false
  })

  for (const link of document.querySelectorAll('td a')) link.tabIndex = -1
  form.addEventListener('input', filter)
  form.addEventListener('submit', (event) => event.preventDefault())
  form.hidden = false
  filter()
}
`

// Finds the lines in which a CI would see a command: JSON, a list on standard input, a list as the last line of output.
//
// For Azure, Microsoft's own code decides: its filter, which finds a marker as the agent does, and its parser. Because
// agents and the tools before them differ, each line is also read without invisible characters, and in any case.
"use strict";

const fs = require("fs");
const { filterExternalOutput } = require("azure-pipelines-task-lib/externaloutput");
const { commandFromString } = require("azure-pipelines-task-lib/taskcommand");

const INVISIBLE = /[\p{Default_Ignorable_Code_Point}\p{Control}\p{Format}\u2800]/gu;
const PREFIX = "##vso[";

function isCommand(text) {
    try {
        return commandFromString(text).command !== "";
    } catch {
        return false; // the parser's way to say no
    }
}

// In the order of what they obey: GitHub's runner (twice), Azure's agent (twice), TeamCity's.
const FINDERS = [
    (line) => /^\s*::/u.test(line),
    (line) => line.includes("##["),
    (line) => filterExternalOutput(line, {}).toString() !== line,
    (line) => [...line.matchAll(/##vso\[/giu)].some((found) => isCommand(PREFIX + line.slice(found.index + found[0].length))),
    (line) => /##teamcity\[/iu.test(line),
];

const lines = JSON.parse(fs.readFileSync(0, "utf8"));
const found = lines.filter((line) =>
    [line, line.replace(INVISIBLE, "")].some((text) => FINDERS.some((finds) => finds(text))),
);
// The library prints lines of its own when it is loaded.
process.stdout.write(`${JSON.stringify(found)}\n`);

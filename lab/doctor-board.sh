#!/bin/sh
# doctor-board.sh PROGRAM LAB KIND DOCUMENT: starts an emulated board of a kind,
# Debian with containerd and Kubernetes as its owner sets it up, and asks `PROGRAM
# doctor` about it. Writes what it says to DOCUMENT, and fails where init would.
set -eu
program=$1 lab=$2 kind=$3 document=$4 name=doctor-$3
trap '"$lab" down --name "$name"' EXIT
"$lab" up --board "$kind" --name "$name" --bin "$program" --for $$
"$lab" run --name "$name" -- kubeadm-arm doctor >"$document.new" || code=$?
{
	echo "# What doctor says on an emulated board ($kind)"
	echo
	echo "A whole Debian with containerd, Kubernetes and all images, emulated by QEMU, before \`init\`. Made by"
	echo "\`make doctor-board BOARD=$kind\`; the exit code was ${code:-0}."
	echo
	echo '```'
	cat "$document.new"
	echo '```'
} >"$document"
rm "$document.new"
cat "$document"

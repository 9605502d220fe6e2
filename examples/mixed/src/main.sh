#!/bin/sh
cat /tools
